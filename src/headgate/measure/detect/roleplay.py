"""Phrases that talk a model into a role without rules. Read by `injection` only."""

from __future__ import annotations

from .rules import BOUNDS, FREES, Rule

ROLEPLAY: tuple[Rule, ...] = (
    Rule(
        "from-now-on-you", "role-play", 0.45,
        "now henceforth point",
        " (?:from now on|henceforth|from this point (?:on|forward)|starting (?:from )?now) <gap3>(?:you (?:will|"
        "must|are going to|shall|should|are|only|have to|obey|act)|act|behave|respond|answer|roleplay|pretend) ",
        "you act behave respond answer roleplay pretend",
    ),
    Rule("do-anything-now", "jailbreak", 0.9, "anything", " do any ?thing now "),
    Rule(
        "dan", "jailbreak", 0.7,
        "dan dans",
        " (?:act(?:ing)? as (?:a )?|you are (?:now )?|be |as )dans? (?:which|mode|an?|you|and|stands|is)|dan mode ",
    ),
    Rule(
        "known-mode", "jailbreak", 0.6,
        "mode",
        " (?:enable|enter|activate|enabled|with|in|simulate|switch to|stay in) (?:the )?(?:dan|god|jailbreak|"
        "jailbroken|evil|chaos|unrestricted|unfiltered|uncensored|no filter|anarchy|opposite|sudo) mode ",
    ),
    Rule(
        "developer-mode", "jailbreak", 0.4,
        "developer",
        " (?:enter|enable|activate|switch to|simulate|with|in) (?:the )?developer mode |developer mode (?:enabled|"
        "v2|output) ",
    ),
    Rule(
        "developer-mode-you", "jailbreak", 0.6,
        "developer",
        r" (?:as|act as|are) (?:chatgpt|gpt|an ai|a model|\w+) with developer mode |in developer mode (?:you|all|"
        "chatgpt) ",
    ),
    Rule(
        "jailbroken-self", "jailbreak", 0.7,
        "jailbreak jailbroken",
        " (?:jailbroken|jailbreak) (?:twin|version|ai|assistant|chatgpt|gpt|mode|prompt|persona|yourself|bot|"
        "universe)|(?:you are|you've been|been|are now) (?:now )?jailbroken ",
    ),
    Rule(
        "unrestricted-bot", "jailbreak", 0.65,
        FREES,
        " <free><gap2><bot>|<bot><gap4><free>|<free>(?:responses?|answers?|output) ",
    ),
    Rule(
        "bot-without-rules", "jailbreak", 0.65,
        BOUNDS,
        " <bot><gap7>(?:no|without|zero|lacks|free of|free from|freed from|ignores?|unbound by|"
        "disregards) <kind>{0,5}<bound>",
        "no without zero lacks free freed ignore ignores unbound disregards",
    ),
    Rule(
        "you-without-rules", "jailbreak", 0.65,
        "free freed bound rules restrictions guidelines confines",
        " you (?:are|have been|were|be|'re) (?:now |all |totally |completely )*(?:free|freed|liberated|released|"
        "not bound|unbound|exempt) (?:of|from|by) <kind>{0,5}(?:<bound>|confines|chains)| you (?:had|have|has|"
        "got) (?:absolutely |now )?(?:no|zero) <kind>{0,3}(?:rules|guidelines|restrictions|filters?|morals|ethics|"
        "censorship) (?:and|or|whatsoever|anymore|now|so|as|on what you (?:say|output))",
    ),
    Rule(
        "free-of-all-rules", "jailbreak", 0.5,
        BOUNDS,
        " (?:free (?:of|from)|not bound by|freed from|unbound by|not (?:have to )?abide by|without|not limited by|"
        "outside of|doesn't follow|does not follow|not care about|no) (?:any |all |the |its |"
        r"your )+<kind>{0,4}(?:ethical|moral|openai|openai's|programmed|content|safety|legal) (?:\w+ )?(?:rules|"
        "restrictions|guidelines|filters?|policies|principles|standards|constraints|limitations|boundaries|"
        "censorship) ",
        "ethical moral openai openai's programmed content safety legal",
    ),
    Rule(
        "answer-without-filter", "jailbreak", 0.6,
        BOUNDS,
        " (?:respond|answer|reply|speak|act|talk|behave|comply) <gap4>(?:without|with no|with zero|"
        "ignoring) <kind>{0,4}(?:filters?|restrictions?|censorship|guidelines?|guardrails|morals|limits|"
        "limitations|warnings|rules) ",
        "respond answer reply speak act talk behave comply",
    ),
    Rule(
        "ignores-policies", "jailbreak", 0.6,
        "policies policy guidelines ethics morality legality ethicality",
        " (?:ignores|disregards|breaks|violates|does not care about|doesn't care about|no regard for|not follow|"
        r"don't care about|not give a \w+ about|not care for) (?:any |all |the |your |its )*(?:content |usage |"
        "safety |moral |openai |openai's )*(?:policies|policy|guidelines|ethics|ethicality|morality|legality|"
        "morals|laws) ",
    ),
    Rule(
        "never-refuses", "jailbreak", 0.5,
        "refuse refuses refusing decline refusal",
        " (?:never|not|cannot|can't|without) (?:ever )?(?:refuse|refuses|refusing|decline|refusal)(?: to (?:answer|"
        "do|comply))? (?:a|any|to|anything|my|requests?|and|answer|evil|user|or) |that never refuses ",
    ),
    Rule(
        "evil-role", "role-play", 0.6,
        "evil rogue malicious",
        " (?:pretend|act|imagine|you are|be|roleplay|role play|play|become) <gap5>(?:evil|rogue|"
        r"malicious) (?:\w+ )?(?:ai|bot|assistant|confidant|model|robot|twin|gpt|chatbot) ",
    ),
    Rule(
        "act-as", "role-play", 0.5,
        "act behave pretend roleplay simulate impersonate pose respond play acting",
        " (?:i want you to|you (?:will|should|must|are going to|are to|shall|now)(?: now| only)?|please|"
        "i would like you to|i need you to|i'd like you to|you going to) (?:act|behave|pretend|roleplay|simulate|"
        r"impersonate|pose|play the role|acting|respond) (?:\w+ )?(?:as|of|to be) (?!soon|quickly|fast|if|well|"
        "a customer|the owner|my|much|usual|possible)",
    ),
    Rule(
        "act-as-plain", "role-play", 0.3,
        "act pretend imagine simulate",
        " (?:act as|pretend (?:to be|that|you)|imagine|simulate) ",
    ),
    Rule(
        "pretend-you-are", "role-play", 0.45,
        "pretend imagine",
        " (?:pretend|imagine) (?:that )?(?:you(?:'re| are| were| can| had| have)|to be) (?:a|an|the|my|no|access|"
        "evil|any|able|not|dan) ",
    ),
    Rule(
        "you-are-now", "role-play", 0.5,
        "now",
        " (?:(?:you are|you're) now (?:a|an|dan|going to|my|free|freed|acting|named|called) (?!bit |third |second |"
        "few |plus |customer )|now you are (?:an? |the (?!third|second)|acting |my |named |called )|(?:you will|"
        "you now|will) (?:now )?(?:go by|be known as|be called|answer to) )",
    ),
    Rule(
        "stay-in-character", "role-play", 0.5,
        "character role",
        " (?:stay|remain|stays|staying|never break|not break|break|breaking|breaks) (?:in |out of )?(?:your |my |"
        "of )?character |completely absorbed in your role |play (?:the )?(?:part|role) of ",
    ),
    Rule(
        "two-answers", "role-play", 0.4,
        "twice twin responses opposite",
        " (?:answer|respond|reply) <gap4>twice |as your <gap2>twin |two (?:different )?(?:responses|answers|ways) |"
        "(?:exact |the )opposite of (?:what )?(?:chatgpt|you|yourself|everything) ",
    ),
    Rule(
        "fiction-frame", "role-play", 0.25,
        "hypothetical fictional fictitious imaginary theoretical",
        r" (?:hypothetical|fictional|fictitious|imaginary|theoretical) (?:\w+ )?(?:world|story|scenario|character|"
        "response|setting|situation|robot|universe) ",
    ),
    Rule(
        "vendor-rules", "jailbreak", 0.45,
        "openai openai's chatgpt chatgpt's gpt",
        r" (?:openai|openai's|open ai's|chatgpt's|chatgpt) (?:\w+ ){0,3}(?:policies|policy|rules|guidelines|"
        "restrictions|confines|limits) ",
    ),
    Rule(
        "whatever-it-is", "jailbreak", 0.55,
        "illegal immoral unethical legality morality ethicality ethics morals ethical moral illegality "
        "immorality harmful",
        " (?:no matter (?:how|if|what|whether)|regardless of|regards? (?:for|to)|without (?:any )?(?:regard|"
        "respect) (?:for|to)|(?:not|doesn't|don't|never) cares? (?:about|for)|even if (?:it is|it's|"
        "they are)) <gap4>(?:illegal|immoral|unethical|legality|morality|ethicality|ethics|morals|illegality|"
        "immorality|harmful) ",
    ),
    Rule("named-bot", "role-play", 0.2, "chatgpt gpt openai", " (?:chatgpt|gpt|openai) "),
    Rule(
        "verbatim", "exactness", 0.3,
        "verbatim word wording",
        " (?:verbatim|word for word|exact wording|without omitting) ",
    ),
)  # fmt: skip
