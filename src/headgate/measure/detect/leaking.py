"""Phrases that switch guards off, ask for the prompt, or smuggle orders in. Read by `injection` only."""

from __future__ import annotations

from .rules import SAYS, Rule

LEAKING: tuple[Rule, ...] = (
    Rule(
        "guards-off", "bypass", 0.7,
        "disable disabled off deactivate bypass remove lift circumvent override suspend apply",
        " (?:disable|turn off|switch off|deactivate|bypass|remove|lift|circumvent|override|suspend|evade|(?:do not|"
        r"don't) apply) (?:all |any |of |each )*your (?:\w+ ){0,3}(?:guardrails?|filters?|restrictions?|policies|"
        "policy|safeguards?|moderation|safety|guidelines|censorship|protections?|limitations|programming|rules|"
        "ethics) ",
    ),
    Rule(
        "guardrails", "bypass", 0.6,
        "guardrails guardrail",
        " (?:off|disable|without|bypass|remove|ignore|no|drop) <gap3>guardrails? ",
    ),
    Rule(
        "filters-are-off", "bypass", 0.6,
        "disabled off deactivated removed suspended lifted",
        r" (?:safety|content|ethical|moral|your) (?:\w+ )?(?:filters?|rules|policy|policies|guidelines|restrictions|"
        "protocols) (?:is|are|were|was|have been) (?:all |now |hereby )*(?:disabled|off|deactivated|removed|"
        "suspended|lifted|turned off) ",
    ),
    Rule(
        "rules-do-not-apply", "bypass", 0.6,
        "apply exist applies bind",
        r" (?:(?:your|safety|moral|ethical|content|legal|pretend the|openai) (?:\w+ )?(?:rules|guidelines|"
        "restrictions|policies|policy|laws|filters?|principles) (?:do not|don't|dont|no longer|does not|doesn't|"
        r"never) (?:\w+ )?(?:apply|exist|bind|applies)|(?:rules|guidelines|restrictions|policies|laws) (?:no longer|"
        "do not|don't) apply to you) ",
    ),
    Rule(
        "policy-ignored", "bypass", 0.55,
        "policy policies handbook",
        r" (?:(?:ignore|disregard|circumvent|violate) (?:the |all |any |every |your )*(?:\w+ )?(?:policy|policies)|"
        "override (?:the |all |any )*(?:safety|content|security|usage|moderation) (?:policy|policies)|(?:without|"
        "not|stop|no longer|ignore) (?:following |follow |or follow )?the handbook) ",
        "ignore disregard circumvent violate override without not stop no",
    ),
    Rule(
        "authority-claim", "bypass", 0.45,
        "administrator admin developer creator authorized authorised debugging",
        " (?:as (?:the|an|your|system) (?:administrator|admin|developer|creator|root)(?: of this system)? i|"
        "i am (?:your|the) (?:administrator|admin|developer|creator)|i am debugging you|"
        "i work for the team that (?:made|built|trained) you|you are (?:now )?(?:authorized|authorised|allowed|"
        "permitted) to (?:break|ignore|bypass|violate|override)) ",
    ),
    Rule(
        "allowed-to-break", "bypass", 0.6,
        "authorized authorised allowed permitted permission",
        " (?:authorized|authorised|allowed|permitted|permission) to (?:break|ignore|bypass|violate|"
        "override) (?:the|all|any|your|every) ",
    ),
    Rule(
        "policies-off", "bypass", 0.6,
        "policies policy",
        " (?:switch|turn) (?:off|your) (?:off )?(?:all )?(?:your )?(?:policies|policy)|(?:your|the) polic(?:y|"
        "ies) (?:is|are) (?:now )?(?:disabled|off|void|suspended|deactivated)|act as if your policy ",
    ),
    Rule(
        "system-prompt", "exfiltration", 0.7,
        "system hidden initial secret developer original preprompt prompt prompts",
        " (?:<say>|what (?:is|are|was|were) )<gap6>(?:system|hidden|initial|secret|developer|original|"
        "pre) ?(?:prompts?|messages?|instructions|directives|configuration) ",
    ),
    Rule(
        "your-prompt", "exfiltration", 0.65,
        "prompt prompts",
        r" <say><gap5>(?:your (?:\w+ )?prompts?|prompt texts?|full prompt|entire prompt|the prompt (?:you|above)|"
        "this prompt) ",
    ),
    Rule(
        "your-instructions", "exfiltration", 0.5,
        SAYS,
        " (?:print|reveal|output|dump|leak|recite|disclose|display|expose|show me|"
        r"tell me) <gap3>your (?:\w+ )?(?:instructions|directives|programming|configuration)(?! (?:for|on|to|about|"
        "regarding|how)) ",
        "instructions directives programming configuration",
    ),
    Rule(
        "what-are-your-instructions", "exfiltration", 0.5,
        "instructions rules",
        r" what (?:are|were) your (?:\w+ )?instructions (?!for |on |to |about |regarding |if |when )",
    ),
    Rule(
        "repeat-above", "exfiltration", 0.6,
        "above before beginning preceding",
        " (?:repeat|print|output|show|copy|write|recite|return) (?:back )?(?:everything|all|the (?:text|words|"
        r"lines?|content|sentences?)|what (?:is|was)) (?:\w+ ){0,4}(?:above|before this|preceding)| what (?:is|was|"
        r"were|are) (?:written|said|stated|at|the \d+ sentences|the text) (?:\w+ ){0,6}(?:above|beginning|before) ",
        "repeat print output show copy write recite return what",
    ),
    Rule(
        "starting-with", "exfiltration", 0.4,
        "starting begins beginning",
        " (?:starting|beginning|begins) with (?:the words? )?you are ",
    ),
    Rule(
        "prompt-you-got", "exfiltration", 0.6,
        "prompt instructions messages",
        " (?:prompt|instructions|messages) (?:that |which )?(?:you (?:were|received|got|have been|had been)|"
        r"was given to you) (?:\w+ ){0,2}(?:configured|given|initiali[sz]ed|started|with|before|at the start|"
        "initially|prior) ",
    ),
    Rule(
        "decode-and-follow", "smuggling", 0.6,
        "decode decrypt translate unscramble decipher base64 rot13 hex string text",
        " (?:decode|decrypt|unscramble|decipher|translate|base64|rot13) <gap12>(?:and|then|"
        r"afterwards) (?:\w+ ){0,2}(?:follow|execute|carry out|obey|act on|perform|run|comply) ",
        "decode decrypt unscramble decipher translate base64 rot13",
    ),
    Rule(
        "decode-first", "smuggling", 0.6,
        "decode",
        r" (?:first )?decode (?:the|this) (?:\w+ ){0,4}(?:string|text|encoding|message) (?:then|and) (?:carry|"
        "follow|execute|obey|do) ",
    ),
    Rule(
        "to-the-model", "smuggling", 0.45,
        "ai assistant llm model chatbot",
        r" (?:message|note|attention|notice|important|instructions?|reminder|info)(?: \w+){0,2} (?:to|for) (?:the |"
        "any |all |every )?(?:ai|assistant|llm|language model|chatbot|bot|ai model|model reading)|any (?:ai|llm|"
        "model|assistant) reading this ",
    ),
    Rule(
        "run-command", "smuggling", 0.4,
        "execute interpreter terminal",
        " (?:execute (?:the )?(?:following|this) (?:command|code|script)|act as a (?:python|linux|bash|"
        r"javascript) \w+|as a linux terminal) ",
    ),
    Rule(
        "act-on-line", "smuggling", 0.3,
        "act obey follow",
        " (?:act on|obey|follow) (?:the )?(?:line|order|command|instructions?) (?:of|in|at|inside|below) ",
        "line order command instruction instructions",
    ),
    Rule(
        "not-from-sources", "bypass", 0.5,
        "documents articles knowledge document context",
        " (?:(?:do not|don't|don'nt|dont|not) (?:look in|use|answer (?:the |this )?question (?:according to|from|"
        r"by)) (?:\w+ ){0,2}(?:documents?|articles?|context)|by your own knowledge and not|"
        "do not answer this question but|not answer (?:the|this) question) ",
        "look use answer knowledge",
    ),
)  # fmt: skip
