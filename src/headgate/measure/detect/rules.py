"""The phrases of injection, in families, with weights. Read by `injection` only; nothing here runs.

A rule is a pattern over lower-case words with one space around each; it is tried only when one of its trigger words
occurs. From 0.5 on a weight blocks by itself; lower ones must meet another family nearby. A change bumps the
`behaviour` of the guard and the scorer `injection`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A phrase: which family it belongs to, how much it says (0 … 1), and the words without which it cannot match."""

    name: str
    family: str
    weight: float
    triggers: tuple[str, ...]
    pattern: str


def gap(n: int) -> str:
    """Return a pattern for up to `n` words of any kind."""
    return rf"(?:\w+ ){{0,{n}}}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_QUIET = (
    r"(?:(?:all|any|every|each|of|the|your|these|those|this|that|previous|previously|prior|preceding|above|earlier|former|"
    r"past|original|initial|existing|current|given|system|other|safety|ethical|content|moral|and|or|both|old|such|provided|"
    r"default|internal|hidden|own|set|about|what|openai|openai's|company|developer|secret|entire|whole) )"
)
_STRONG = (
    r"(?:all|any|every|your|these|those|previous|previously|prior|preceding|above|earlier|former|past|original|initial|"
    r"existing|given|system|other|such|both|hidden|own) "
)
_VERB = (
    r"(?:ignor(?:e|es|ing)|disregard(?:s|ing)?|forget(?:ting)?|overrid(?:e|ing)|overrule|drop|abandon|neglect|discard|"
    r"overlook|erase|dismiss|unlearn|void|delete|stop (?:following|obeying)|(?:do not|don't|dont|never) (?:follow|obey)|"
    r"no longer (?:follow|obey)|set aside|remove|bypass|let go of|skip) "
)
_INSTRUCTION = r"(?:instructions?|directions|directives?|guidelines?|guidance|prompts?|commands?|programming|orders) "
_RULE = r"(?:rules?|restrictions?|constraints?|policies|policy|protocols?|safeguards?|guardrails?|filters?|training) "
_VERBS = _words(
    "ignore ignores ignoring disregard disregards disregarding forget forgetting override overriding overrule drop abandon "
    "neglect discard overlook erase dismiss unlearn void delete stop don't dont never not longer aside remove bypass let skip"
)
_SAY = (
    r"(?:print|show|reveal|repeat|output|display|dump|tell|give|share|leak|expose|write|send|recite|disclose|summarize|"
)
_SAY += r"summarise|list|copy|paste|echo|quote|return|read|say|describe|translate|spell) "
_SAYS = _words(
    "print show reveal repeat output display dump tell give share leak expose write send recite disclose summarize "
    "summarise list copy paste echo quote return read say describe translate spell"
)
_BOT = (
    r"(?:ai|a i|assistant|model|bot|chatbot|gpt|chatgpt|llm|persona|twin|character|machine|robot|version|entity|mode) "
)
_FREE = (
    r"(?:unrestricted|unfiltered|uncensored|amoral|immoral|unethical|jailbroken|unaligned|lawless|unhinged|limitless|"
    r"unbound|unchained|nonmoral) "
)
_FREES = _words(
    "unrestricted unfiltered uncensored amoral immoral unethical jailbroken unaligned lawless unhinged limitless unbound "
    "unchained nonmoral"
)
_BOUND = (
    r"(?:restrictions?|guidelines?|rules|filters?|limitations?|limits|censorship|policies|morals?|ethics|boundaries|"
)
_BOUND += r"constraints?|principles|laws|warnings|guardrails|safeguards) "
_BOUNDS = _words(
    "restriction restrictions guideline guidelines rule rules filter filters limitation limitations limits censorship "
    "policies policy moral morals ethics boundaries constraint constraints principles laws warnings guardrails safeguards"
)
_KIND = r"(?:(?:any|all|your|its|his|their|the|ethical|moral|legal|content|safety|or|and|of|openai|openai's|typical|"
_KIND += r"standard|usual|normal|social|programmed) )"

RULES: tuple[Rule, ...] = (
    # override: what came before no longer holds
    Rule("override-instructions", "override", 0.9, _VERBS, f" {_VERB}{_QUIET}{{0,5}}{_STRONG}{_QUIET}{{0,5}}{_INSTRUCTION}"),
    Rule(
        "override-instructions-given", "override", 0.8, _VERBS,
        f" {_VERB}{_QUIET}{{0,4}}{_INSTRUCTION}(?:above|before|previously|prior|(?:that )?(?:you|i|we|were) "
        r"(?:got|were|received|have|had|was|gave|given|been)|given|so far) ",
    ),
    Rule(
        "override-rules", "override", 0.7, _words("ignore ignores ignoring disregard forget break violate following obey"),
        r" (?:ignor(?:e|es|ing)|disregard|forget|break|violate|stop (?:following|obeying)|(?:do not|don't) (?:follow|obey)) "
        rf"{_QUIET}{{0,5}}{_STRONG}{_QUIET}{{0,5}}{_RULE}",
    ),
    Rule(
        "override-given-rules", "override", 0.7, _words("following obeying ignore disregard"),
        rf" (?:stop (?:following|obeying)|ignore|disregard) {_QUIET}{{0,3}}(?:{_RULE}|{_INSTRUCTION})"
        r"(?:that )?(?:you (?:were|have been|got)|given|set)",
    ),
    Rule(
        "override-everything", "override", 0.7, _words("forget disregard ignore erase"),
        r" (?:forget|disregard|ignore|erase) (?:about )?(?:all|everything|anything) (?:of )?(?:that )?(?:is |was |came |stated |"
        r"written |said |i said |we said |you know |we discussed |discussed |you have been told |you were told |you learned |"
        r"(?:that )?you(?:'ve| have) learned |mentioned )*(?:above|before|beforehand|previously|prior|earlier|and |you know|"
        r"you were|you have been|you learned|just say|just output|write|print|say|we discussed|i told)",
    ),
    Rule(
        "override-above", "override", 0.6, _words("above"),
        r" (?:ignore|disregard|forget|skip) (?:the |all |everything |what is |what's )*(?:text |lines? |content )?above "
        r"(?:and|text|instead|say|print|write|your|now|instructions?|directions|content)",
    ),
    Rule(
        "override-context", "override", 0.55, _words("ignore ignores ignoring disregard disregarding forget leave remove erase"),
        r" (?:ignor(?:e|es|ing)|disregard(?:ing)?|forget|leave|remove|erase) (?:about )?(?:all|any|the|these) (?:of )?(?:the )?"
        r"(?:(?:previous|prior|preceding|above|earlier|past|provided|given|former) )+(?:and )?(?:\w+ )?"
        r"(?:context|contexts|conversations?|texts?|content|information|tasks?|assignments?|data|input|documents?|articles?) ",
    ),
    Rule(
        "override-assignments", "override", 0.6, _words("forget disregarding disregard ignore"),
        r" (?:(?:forget|ignore|disregard) (?:about )?all (?:of )?(?:the |your )?(?:previous |prior )?(?:assignments|tasks|"
        r"documents|documents provided|articles)|(?:disregarding|ignoring) (?:all )?the (?:articles?|documents?|context)) ",
    ),
    Rule(
        "new-instructions", "new-task", 0.6, _words("new instructions additional"),
        r" (?:your (?:new|only|next) (?:instructions?|task|tasks|role|objective|goal|mission|job|purpose|rules?) (?:is|are|will|:)|"
        r"(?:follow|obey|execute|accept) (?:only )?(?:these|my|this|the following) (?:new )(?:instructions?|rules?|orders?)|"
        r"new (?:instructions?|rules?|directives?|orders?) (?:for (?:the|you|this|all)|follows?|now|begin|from now)|"
        r"new (?:tasks?|instructions?) (?:now )?follow|focus on (?:your|the|this) new task|"
        r"(?:change|update|replace|rewrite) your (?:instructions?|rules|programming|prompt)|"
        r"your instructions are now|(?:we|and) (?:start|begin) (?:over )?with a new task) ",
    ),
    Rule(
        "no-longer-bound", "override", 0.65, _words("longer bound"),
        rf" (?:you (?:are |'re |do )?no longer {gap(2)}(?:follow|need to|have to|required|bound|obliged|restricted|limited|"
        r"chatgpt|an ai|a chatbot|cite|comply|adhere)|you (?:do not|don't|dont) (?:have|need) to (?:follow|obey|abide|adhere|comply))",
    ),
    Rule(
        "previous-void", "override", 0.6, _words("void irrelevant test obsolete invalid outdated null cancelled"),
        r" (?:instructions?|handbook|rules|guidelines|prompt|directives|policy|policies|text above|everything above|"
        r"(?:previous|prior|earlier) \w+) (?:is|are|was|were) (?:now |hereby |only |all |just )*"
        r"(?:void|irrelevant|a test|obsolete|invalid|outdated|null|cancelled) ",
    ),
    Rule(
        "obey-only", "obey", 0.45, _words("obey obeys"),
        r" (?:obey|obeys) (?:only |me|my|all|every|any|the user|each)|(?:you|must|will|shall) obey ",
    ),
    Rule("from-now-on", "new-task", 0.3, _words("now henceforth"), r" (?:from now on|from this (?:moment|point) on|henceforth) "),
    Rule(
        "from-now-on-you", "role-play", 0.45, _words("now henceforth point"),
        rf" (?:from now on|henceforth|from this point (?:on|forward)|starting (?:from )?now) {gap(3)}"
        r"(?:you (?:will|must|are going to|shall|should|are|only|have to|obey|act)|act|behave|respond|answer|roleplay|pretend) ",
    ),
    Rule(
        "only-say", "new-task", 0.3, _words("only just instead simply"),
        r" (?:instead|just|only|simply|and instead) (?:say|output|print|answer with|reply with|respond with|write|answer only|"
        r"tell me|repeat) |answer only with |reply only with ",
    ),
    # role-play and jailbreak
    Rule("do-anything-now", "jailbreak", 0.9, _words("anything"), r" do any ?thing now "),
    Rule("dan", "jailbreak", 0.7, _words("dan dans"), r" (?:act(?:ing)? as (?:a )?|you are (?:now )?|be |as )dans? (?:which|mode|an?|you|and|stands|is)|dan mode "),
    Rule(
        "known-mode", "jailbreak", 0.6, _words("mode"),
        r" (?:enable|enter|activate|enabled|with|in|simulate|switch to|stay in) (?:the )?(?:dan|god|jailbreak|jailbroken|evil|"
        r"chaos|unrestricted|unfiltered|uncensored|no filter|anarchy|opposite|sudo) mode ",
    ),
    Rule(
        "developer-mode", "jailbreak", 0.4, _words("developer"),
        r" (?:enter|enable|activate|switch to|simulate|with|in) (?:the )?developer mode |developer mode (?:enabled|v2|output) ",
    ),
    Rule(
        "developer-mode-you", "jailbreak", 0.6, _words("developer"),
        r" (?:as|act as|are) (?:chatgpt|gpt|an ai|a model|\w+) with developer mode |in developer mode (?:you|all|chatgpt) ",
    ),
    Rule(
        "jailbroken-self", "jailbreak", 0.7, _words("jailbreak jailbroken"),
        r" (?:jailbroken|jailbreak) (?:twin|version|ai|assistant|chatgpt|gpt|mode|prompt|persona|yourself|bot|universe)|"
        r"(?:you are|you've been|been|are now) (?:now )?jailbroken ",
    ),
    Rule(
        "unrestricted-bot", "jailbreak", 0.65, _FREES,
        rf" {_FREE}{gap(2)}{_BOT}|{_BOT}{gap(4)}{_FREE}|{_FREE}(?:responses?|answers?|output) ",
    ),
    Rule(
        "bot-without-rules", "jailbreak", 0.65, _BOUNDS,
        rf" {_BOT}{gap(7)}(?:no|without|zero|lacks|free of|free from|freed from|ignores?|unbound by|disregards) {_KIND}{{0,5}}{_BOUND}",
    ),
    Rule(
        "you-without-rules", "jailbreak", 0.65, _words("free freed bound rules restrictions guidelines confines"),
        r" you (?:are|have been|were|be|'re) (?:now |all |totally |completely )*(?:free|freed|liberated|released|not bound|unbound|"
        rf"exempt) (?:of|from|by) {_KIND}{{0,5}}(?:{_BOUND}|confines|chains)|"
        rf" you (?:had|have|has|got) (?:absolutely |now )?(?:no|zero) {_KIND}{{0,3}}(?:rules|guidelines|restrictions|filters?|morals|ethics|censorship)"
        rf" (?:and|or|whatsoever|anymore|now|so|as|on what you (?:say|output))",
    ),
    Rule(
        "free-of-all-rules", "jailbreak", 0.5, _BOUNDS,
        r" (?:free (?:of|from)|not bound by|freed from|unbound by|not (?:have to )?abide by|without|not limited by|outside of|"
        rf"doesn't follow|does not follow|not care about|no) (?:any |all |the |its |your )+{_KIND}{{0,4}}"
        r"(?:ethical|moral|openai|openai's|programmed|content|safety|legal) (?:\w+ )?"
        r"(?:rules|restrictions|guidelines|filters?|policies|principles|standards|constraints|limitations|boundaries|censorship) ",
    ),
    Rule(
        "answer-without-filter", "jailbreak", 0.6, _BOUNDS,
        rf" (?:respond|answer|reply|speak|act|talk|behave|comply) {gap(4)}(?:without|with no|with zero|ignoring) {_KIND}{{0,4}}"
        r"(?:filters?|restrictions?|censorship|guidelines?|guardrails|morals|limits|limitations|warnings|rules) ",
    ),
    Rule(
        "ignores-policies", "jailbreak", 0.6, _words("policies policy guidelines ethics morality legality ethicality"),
        r" (?:ignores|disregards|breaks|violates|does not care about|doesn't care about|no regard for|not follow|don't care about|"
        r"not give a \w+ about|not care for) (?:any |all |the |your |its )*(?:content |usage |safety |moral |openai |openai's )*"
        r"(?:policies|policy|guidelines|ethics|ethicality|morality|legality|morals|laws) ",
    ),
    Rule(
        "never-refuses", "jailbreak", 0.5, _words("refuse refuses refusing decline refusal"),
        r" (?:never|not|cannot|can't|without) (?:ever )?(?:refuse|refuses|refusing|decline|refusal)(?: to (?:answer|do|comply))? "
        r"(?:a|any|to|anything|my|requests?|and|answer|evil|user|or) |that never refuses ",
    ),
    Rule(
        "evil-role", "role-play", 0.6, _words("evil rogue malicious"),
        rf" (?:pretend|act|imagine|you are|be|roleplay|role play|play|become) {gap(5)}(?:evil|rogue|malicious) (?:\w+ )?"
        r"(?:ai|bot|assistant|confidant|model|robot|twin|gpt|chatbot) ",
    ),
    Rule(
        "act-as", "role-play", 0.5, _words("act behave pretend roleplay simulate impersonate pose respond play acting"),
        r" (?:i want you to|you (?:will|should|must|are going to|are to|shall|now)(?: now| only)?|please|i would like you to|"
        r"i need you to|i'd like you to|you going to) (?:act|behave|pretend|roleplay|simulate|impersonate|pose|play the role|acting|"
        r"respond) (?:\w+ )?(?:as|of|to be) (?!soon|quickly|fast|if|well|a customer|the owner|my|much|usual|possible)",
    ),
    Rule("act-as-plain", "role-play", 0.3, _words("act pretend imagine simulate"), r" (?:act as|pretend (?:to be|that|you)|imagine|simulate) "),
    Rule(
        "pretend-you-are", "role-play", 0.45, _words("pretend imagine"),
        r" (?:pretend|imagine) (?:that )?(?:you(?:'re| are| were| can| had| have)|to be) (?:a|an|the|my|no|access|evil|any|able|not|dan) ",
    ),
    Rule(
        "you-are-now", "role-play", 0.5, _words("now"),
        r" (?:(?:you are|you're) now (?:a|an|dan|going to|my|free|freed|acting|named|called) (?!bit |third |second |few |plus |customer )|"
        r"now you are (?:an? |the (?!third|second)|acting |my |named |called )|(?:you will|you now|will) (?:now )?(?:go by|be known as|be called|answer to) )",
    ),
    Rule(
        "stay-in-character", "role-play", 0.5, _words("character role"),
        r" (?:stay|remain|stays|staying|never break|not break|break|breaking|breaks) (?:in |out of )?(?:your |my |of )?character |"
        r"completely absorbed in your role |play (?:the )?(?:part|role) of ",
    ),
    Rule(
        "two-answers", "role-play", 0.4, _words("twice twin responses opposite"),
        rf" (?:answer|respond|reply) {gap(4)}twice |as your {gap(2)}twin |two (?:different )?(?:responses|answers|ways) |"
        r"(?:exact |the )opposite of (?:what )?(?:chatgpt|you|yourself|everything) ",
    ),
    Rule(
        "fiction-frame", "role-play", 0.25, _words("hypothetical fictional fictitious imaginary theoretical"),
        r" (?:hypothetical|fictional|fictitious|imaginary|theoretical) (?:\w+ )?(?:world|story|scenario|character|response|setting|situation|robot|universe) ",
    ),
    Rule(
        "vendor-rules", "jailbreak", 0.45, _words("openai openai's chatgpt chatgpt's gpt"),
        r" (?:openai|openai's|open ai's|chatgpt's|chatgpt) (?:\w+ ){0,3}(?:policies|policy|rules|guidelines|restrictions|confines|limits) ",
    ),
    Rule(
        "whatever-it-is", "jailbreak", 0.55, _words(
            "illegal immoral unethical legality morality ethicality ethics morals ethical moral illegality immorality harmful"
        ),
        r" (?:no matter (?:how|if|what|whether)|regardless of|regards? (?:for|to)|without (?:any )?(?:regard|respect) (?:for|to)|"
        rf"(?:not|doesn't|don't|never) cares? (?:about|for)|even if (?:it is|it's|they are)) {gap(4)}"
        r"(?:illegal|immoral|unethical|legality|morality|ethicality|ethics|morals|illegality|immorality|harmful) ",
    ),
    Rule("named-bot", "role-play", 0.2, _words("chatgpt gpt openai"), r" (?:chatgpt|gpt|openai) "),
    # guards off
    Rule(
        "guards-off", "bypass", 0.7, _words("disable disabled off deactivate bypass remove lift circumvent override suspend apply"),
        r" (?:disable|turn off|switch off|deactivate|bypass|remove|lift|circumvent|override|suspend|evade|(?:do not|don't) apply) "
        r"(?:all |any |of |each )*your (?:\w+ ){0,3}(?:guardrails?|filters?|restrictions?|policies|policy|safeguards?|moderation|"
        r"safety|guidelines|censorship|protections?|limitations|programming|rules|ethics) ",
    ),
    Rule("guardrails", "bypass", 0.6, _words("guardrails guardrail"), rf" (?:off|disable|without|bypass|remove|ignore|no|drop) {gap(3)}guardrails? "),
    Rule(
        "filters-are-off", "bypass", 0.6, _words("disabled off deactivated removed suspended lifted"),
        r" (?:safety|content|ethical|moral|your) (?:\w+ )?(?:filters?|rules|policy|policies|guidelines|restrictions|protocols) "
        r"(?:is|are|were|was|have been) (?:all |now |hereby )*(?:disabled|off|deactivated|removed|suspended|lifted|turned off) ",
    ),
    Rule(
        "rules-do-not-apply", "bypass", 0.6, _words("apply exist applies bind"),
        r" (?:(?:your|safety|moral|ethical|content|legal|pretend the|openai) (?:\w+ )?(?:rules|guidelines|restrictions|policies|policy|"
        r"laws|filters?|principles) (?:do not|don't|dont|no longer|does not|doesn't|never) (?:\w+ )?(?:apply|exist|bind|applies)|"
        r"(?:rules|guidelines|restrictions|policies|laws) (?:no longer|do not|don't) apply to you) ",
    ),
    Rule(
        "policy-ignored", "bypass", 0.55, _words("policy policies handbook"),
        r" (?:(?:ignore|disregard|circumvent|violate) (?:the |all |any |every |your )*(?:\w+ )?(?:policy|policies)|"
        r"override (?:the |all |any )*(?:safety|content|security|usage|moderation) (?:policy|policies)|"
        r"(?:without|not|stop|no longer|ignore) (?:following |follow |or follow )?the handbook) ",
    ),
    Rule(
        "authority-claim", "bypass", 0.45, _words("administrator admin developer creator authorized authorised debugging"),
        r" (?:as (?:the|an|your|system) (?:administrator|admin|developer|creator|root)(?: of this system)? i|i am (?:your|the) "
        r"(?:administrator|admin|developer|creator)|i am debugging you|i work for the team that (?:made|built|trained) you|"
        r"you are (?:now )?(?:authorized|authorised|allowed|permitted) to (?:break|ignore|bypass|violate|override)) ",
    ),
    Rule(
        "allowed-to-break", "bypass", 0.6, _words("authorized authorised allowed permitted permission"),
        r" (?:authorized|authorised|allowed|permitted|permission) to (?:break|ignore|bypass|violate|override) (?:the|all|any|your|every) ",
    ),
    Rule(
        "policies-off", "bypass", 0.6, _words("policies policy"),
        r" (?:switch|turn) (?:off|your) (?:off )?(?:all )?(?:your )?(?:policies|policy)|(?:your|the) polic(?:y|ies) (?:is|are) "
        r"(?:now )?(?:disabled|off|void|suspended|deactivated)|act as if your policy ",
    ),
    # exfiltration of the prompt
    Rule(
        "system-prompt", "exfiltration", 0.7, _words("system hidden initial secret developer original preprompt prompt prompts"),
        rf" (?:{_SAY}|what (?:is|are|was|were) ){gap(6)}(?:system|hidden|initial|secret|developer|original|pre) ?"
        r"(?:prompts?|messages?|instructions|directives|configuration) ",
    ),
    Rule(
        "your-prompt", "exfiltration", 0.65, _words("prompt prompts"),
        rf" {_SAY}{gap(5)}(?:your (?:\w+ )?prompts?|prompt texts?|full prompt|entire prompt|the prompt (?:you|above)|this prompt) ",
    ),
    Rule(
        "your-instructions", "exfiltration", 0.5, _SAYS,
        rf" (?:print|reveal|output|dump|leak|recite|disclose|display|expose|show me|tell me) {gap(3)}your (?:\w+ )?"
        r"(?:instructions|directives|programming|configuration)(?! (?:for|on|to|about|regarding|how)) ",
    ),
    Rule(
        "what-are-your-instructions", "exfiltration", 0.5, _words("instructions rules"),
        r" what (?:are|were) your (?:\w+ )?instructions (?!for |on |to |about |regarding |if |when )",
    ),
    Rule(
        "repeat-above", "exfiltration", 0.6, _words("above before beginning preceding"),
        r" (?:repeat|print|output|show|copy|write|recite|return) (?:back )?(?:everything|all|the (?:text|words|lines?|content|sentences?)|"
        r"what (?:is|was)) (?:\w+ ){0,4}(?:above|before this|preceding)|"
        r" what (?:is|was|were|are) (?:written|said|stated|at|the \d+ sentences|the text) (?:\w+ ){0,6}(?:above|beginning|before) ",
    ),
    Rule("starting-with", "exfiltration", 0.4, _words("starting begins beginning"), r" (?:starting|beginning|begins) with (?:the words? )?you are "),
    Rule(
        "prompt-you-got", "exfiltration", 0.6, _words("prompt instructions messages"),
        r" (?:prompt|instructions|messages) (?:that |which )?(?:you (?:were|received|got|have been|had been)|was given to you) "
        r"(?:\w+ ){0,2}(?:configured|given|initiali[sz]ed|started|with|before|at the start|initially|prior) ",
    ),
    Rule("verbatim", "exactness", 0.3, _words("verbatim word wording"), r" (?:verbatim|word for word|exact wording|without omitting) "),
    # smuggling: decode and follow, addressed to the model, commands
    Rule(
        "decode-and-follow", "smuggling", 0.6, _words("decode decrypt translate unscramble decipher base64 rot13 hex string text"),
        rf" (?:decode|decrypt|unscramble|decipher|translate|base64|rot13) {gap(12)}(?:and|then|afterwards) (?:\w+ ){{0,2}}"
        r"(?:follow|execute|carry out|obey|act on|perform|run|comply) ",
    ),
    Rule(
        "decode-first", "smuggling", 0.6, _words("decode"),
        r" (?:first )?decode (?:the|this) (?:\w+ ){0,4}(?:string|text|encoding|message) (?:then|and) (?:carry|follow|execute|obey|do) ",
    ),
    Rule(
        "to-the-model", "smuggling", 0.45, _words("ai assistant llm model chatbot"),
        r" (?:message|note|attention|notice|important|instructions?|reminder|info)(?: \w+){0,2} (?:to|for) (?:the |any |all |every )?"
        r"(?:ai|assistant|llm|language model|chatbot|bot|ai model|model reading)|any (?:ai|llm|model|assistant) reading this ",
    ),
    Rule(
        "run-command", "smuggling", 0.4, _words("execute interpreter terminal"),
        r" (?:execute (?:the )?(?:following|this) (?:command|code|script)|act as a (?:python|linux|bash|javascript) \w+|"
        r"as a linux terminal) ",
    ),
    Rule("act-on-line", "smuggling", 0.3, _words("act obey follow"), r" (?:act on|obey|follow) (?:the )?(?:line|order|command|instructions?) (?:of|in|at|inside|below) "),
    Rule("repeat-after-me", "new-task", 0.4, _words("repeat"), r" repeat after me "),
    Rule("make-me-say", "new-task", 0.5, _words("stop stopp"), r" (?:stop|stopp) (?:write|say|print|schreibe|sage) "),
    Rule(
        "despite-told", "override", 0.55, _words("despite contrary regardless"),
        r" (?:despite|regardless of|contrary to) (?:what |everything |all )?(?:you've|you have|you were|you are|your (?:previous )?instructions)(?: been)? ",
    ),
    Rule(
        "not-from-sources", "bypass", 0.5, _words("documents articles knowledge document context"),
        r" (?:(?:do not|don't|don'nt|dont|not) (?:look in|use|answer (?:the |this )?question (?:according to|from|by)) (?:\w+ ){0,2}(?:documents?|articles?|context)|"
        r"by your own knowledge and not|do not answer this question but|not answer (?:the|this) question) ",
    ),
    # other languages, accents folded
    Rule(
        "german-override", "override", 0.8,
        _words("vergiss vergessen ignoriere ignorieren ignorier missachte abweichend vergesse ignoriert"),
        r" (?:vergiss|vergesse|vergessen sie|ignoriere|ignorier|ignorieren sie|missachte|missachten sie|ignorieren)(?: nun| bitte| mal)* "
        r"(?:(?:alle|alles|die|deine|ihre|samtliche|sämtliche|obigen|obige|vorherigen|bisherigen|vorangehenden|vorigen|vorhergehenden|"
        r"was|wir|vorher|gesagte|sie|jegliche|jede|jeden) )*"
        r"(?:anweisungen|anweisung|aufgaben|auftrage|aufträge|befehle|instruktionen|regeln|richtlinien|vorgaben|angaben|informationen|davor|"
        r"gesagte|vorher|besprochen|und schreibe|schreibe|prompts?)|abweichend zu vorherigen instruktionen ",
    ),
    Rule(
        "german-new-task", "new-task", 0.55, _words("neue neuen irrelevant aufgaben anweisungen"),
        r" (?:nun folgen (?:weitere |neue )(?:aufgaben|anweisungen)|konzentriere dich (?:jetzt |nun )?auf (?:deine|die) neue aufgabe|"
        r"(?:vorherigen|bisherigen) (?:informationen|anweisungen) (?:\w+ ){0,5}(?:irrelevant|nicht)|"
        r"vorherigen (?:aufgaben|informationen) (?:\w+ ){0,4}(?:streichen|hinter)) ",
    ),
    Rule(
        "german-exfiltration", "exfiltration", 0.6, _words("prompt promptext prompts texte systemprompt anweisungen"),
        r" (?:zeige|zeig|gib|nenne|verrate|drucke|wiederhole)(?: mir)? (?:\w+ ){0,4}(?:system ?prompt|prompt ?texte?|prompts?|deine anweisungen) ",
    ),
    Rule(
        "german-role", "role-play", 0.5, _words("fungieren fungierst bist stell"),
        r" (?:mochte|möchte|will) dass (?:sie|du) als (?:\w+ ){0,6}fungier(?:en|st)|(?:jetzt|nun) bist du |stell dir vor du (?:bist|warst|wärst) ",
    ),
    Rule(
        "spanish-override", "override", 0.8, _words("olvida olvide olvidar ignora ignore ignorar olvidate"),
        r" (?:olvida|olvide|olvidar|olvidate de|ignora|ignore|ignorar) (?:(?:todas?|todos?|las|los|tus|sus|que|de|lo|digo|dije|sabes) )*"
        r"(?:instrucciones|reglas|ordenes|indicaciones|antes|sabes|anteriores) ",
    ),
    Rule(
        "french-override", "override", 0.8, _words("oubliez oublie ignorez ignore oublier ignorer"),
        r" (?:oubliez|oublie|ignorez|ignore|oublier|ignorer) (?:(?:toutes|tous|tout|les|tes|vos|ce|qui|precedentes|précédentes) )*"
        r"(?:instructions|consignes|regles|règles|directives|precede|précède) ",
    ),
    Rule(
        "romance-override", "override", 0.8, _words("ignora dimentica ignore esqueca esqueça ignorar scorda"),
        r" (?:ignora|dimentica|scorda|ignore|esqueca|esqueça|ignorar) (?:(?:tutte|tutti|le|todas|as|suas|tuas|precedenti) )*"
        r"(?:istruzioni|regole|instrucoes|instruções|regras) ",
    ),
    Rule("slavic-override", "override", 0.8, _words("zaboravi zapomnij ignoruj zapomen"), r" (?:zaboravi|zapomnij|ignoruj|zapomen) (?:\w+ ){0,3}(?:instrukcije|instrukcje|instrukcji|instrukce|polecenia|pokyny|pravila) "),
    Rule(
        "russian-override", "override", 0.8, _words("забудь забудьте игнорируй игнорируйте"),
        r" (?:забудь|забудьте|игнорируй|игнорируйте) (?:\w+ ){0,4}(?:инструкции|правила|указания|команды) ",
    ),
)  # fmt: skip

SHAPES: tuple[Rule, ...] = (
    Rule(
        "chat-markup", "smuggling", 0.8, ("<|", "[inst]", "<<sys", "### instruction", "### system", "<system", "</system"),
        r"<\|(?:im_start|im_end|system|endoftext|start_header_id)\b|\[/?INST\]|<</?SYS>>|^\s*###\s*(?:system|instruction)\b\s*:?|</?system(?:_prompt)?>",
    ),
    Rule(
        "role-heading", "new-task", 0.35, ("system", "developer"),
        r"(?:^|[\"'«“>|*]|\d\d:\d\d )\s*\W{0,3}(?:system|developer)(?: message| prompt| note| override)?\W{0,3}:",
    ),
    Rule(
        "tool-markup", "smuggling", 0.6, ("<tool_call", "<function", '"tool_calls"', '"function_call"'),
        r"<(?:tool_call|function_call|function_calls|tool)\b[^>]{0,80}>|\"(?:tool_calls|function_call)\"\s*:\s*[\[{]",
    ),
    Rule(
        "shell-pipe", "smuggling", 0.6, ("| sh", "| bash", "|sh", "|bash", "rm -rf"),
        r"\b(?:curl|wget)\s[^\n|]{1,300}\|\s*(?:sudo\s)?(?:ba|z)?sh\b|\brm\s+-rf\s+[/~*]",
    ),
    Rule(
        "image-leak", "smuggling", 0.6, ("](http",),
        r"!\[[^\]\n]{0,100}\]\(https?://[^)\s]{1,200}(?:\{|\$|<|=%|data=|prompt=|secret=)",
    ),
    Rule(
        "chinese-override", "override", 0.8, ("忽略", "忘记", "无视", "忘掉"),
        r"(?:忽略|忘记|无视|忘掉)(?:你|您|之前|以上|所有|先前|上面|前面|全部|的|一切|任何|此前){1,6}(?:指令|指示|提示|规则|命令|说明|要求)",
    ),
    Rule(
        "japanese-override", "override", 0.8, ("無視", "忘れ"),
        r"(?:以前|これまで|前|上記|すべて|全て)の(?:すべての|全ての)?(?:指示|命令|ルール|プロンプト|規則)を(?:無視|忘れ)",
    ),
    Rule(
        "arabic-override", "override", 0.8, ("تجاهل", "انس"),
        r"(?:تجاهل|انس)\s+(?:\w+\s+){0,2}(?:التعليمات|الأوامر|القواعد|تعليماتك)",
    ),
)  # fmt: skip
