"""Phrases that say that what came before no longer holds, or give new orders. Read by `injection` only."""

from __future__ import annotations

from .rules import INSTRUCTIONS, RULES, VERBS, Rule

TAKEOVER: tuple[Rule, ...] = (
    Rule(
        "override-instructions", "override", 0.9,
        VERBS, " <verb><quiet>{0,5}<strong><quiet>{0,5}<instruction>",
        INSTRUCTIONS,
    ),
    Rule(
        "override-instructions-given", "override", 0.8,
        VERBS,
        " <verb><quiet>{0,4}<instruction>(?:above|before|previously|prior|(?:that )?(?:you|i|we|were) (?:got|were|"
        "received|have|had|was|gave|given|been)|given|so far) ",
        INSTRUCTIONS,
    ),
    Rule(
        "override-rules", "override", 0.7,
        "ignore ignores ignoring disregard forget break violate following obey",
        " (?:ignor(?:e|es|ing)|disregard|forget|break|violate|stop (?:following|obeying)|(?:do not|"
        "don't) (?:follow|obey)) <quiet>{0,5}<strong><quiet>{0,5}<rule>",
        RULES,
    ),
    Rule(
        "override-given-rules", "override", 0.7,
        "following obeying ignore disregard",
        " (?:stop (?:following|obeying)|ignore|disregard) <quiet>{0,3}(?:<rule>|"
        "<instruction>)(?:that )?(?:you (?:were|have been|got)|given|set)",
        f"{RULES} {INSTRUCTIONS}",
    ),
    Rule(
        "override-everything", "override", 0.7,
        "forget disregard ignore erase",
        " (?:forget|disregard|ignore|erase) (?:about )?(?:all|everything|anything) (?:of )?(?:that )?(?:is |was |"
        "came |stated |written |said |i said |we said |you know |we discussed |discussed |you have been told |"
        "you were told |you learned |(?:that )?you(?:'ve| have) learned |mentioned )*(?:above|before|beforehand|"
        "previously|prior|earlier|and |you know|you were|you have been|you learned|just say|just output|write|"
        "print|say|we discussed|i told)",
    ),
    Rule(
        "override-above", "override", 0.6,
        "above",
        " (?:ignore|disregard|forget|skip) (?:the |all |everything |what is |what's )*(?:text |lines? |"
        "content )?above (?:and|text|instead|say|print|write|your|now|instructions?|directions|content)",
    ),
    Rule(
        "override-context", "override", 0.55,
        "ignore ignores ignoring disregard disregarding forget leave remove erase",
        " (?:ignor(?:e|es|ing)|disregard(?:ing)?|forget|leave|remove|erase) (?:about )?(?:all|any|the|"
        "these) (?:of )?(?:the )?(?:(?:previous|prior|preceding|above|earlier|past|provided|given|"
        r"former) )+(?:and )?(?:\w+ )?(?:context|contexts|conversations?|texts?|content|information|tasks?|"
        "assignments?|data|input|documents?|articles?) ",
        "previous prior preceding above earlier past provided given former",
    ),
    Rule(
        "override-assignments", "override", 0.6,
        "forget disregarding disregard ignore",
        " (?:(?:forget|ignore|disregard) (?:about )?all (?:of )?(?:the |your )?(?:previous |prior )?(?:assignments|"
        "tasks|documents|documents provided|articles)|(?:disregarding|ignoring) (?:all )?the (?:articles?|"
        "documents?|context)) ",
    ),
    Rule(
        "new-instructions", "new-task", 0.6,
        "new instructions additional",
        " (?:your (?:new|only|next) (?:instructions?|task|tasks|role|objective|goal|mission|job|purpose|"
        "rules?) (?:is|are|will|:)|(?:follow|obey|execute|accept) (?:only )?(?:these|my|this|"
        "the following) (?:new )(?:instructions?|rules?|orders?)|new (?:instructions?|rules?|directives?|"
        "orders?) (?:for (?:the|you|this|all)|follows?|now|begin|from now)|new (?:tasks?|"
        "instructions?) (?:now )?follow|focus on (?:your|the|this) new task|(?:change|update|replace|"
        "rewrite) your (?:instructions?|rules|programming|prompt)|your instructions are now|(?:we|and) (?:start|"
        "begin) (?:over )?with a new task) ",
        "instruction instructions task tasks role objective goal mission job purpose rule rules order orders directive "
        "directives programming prompt",
    ),
    Rule(
        "no-longer-bound", "override", 0.65,
        "longer bound",
        " (?:you (?:are |'re |do )?no longer <gap2>(?:follow|need to|have to|required|bound|obliged|restricted|"
        "limited|chatgpt|an ai|a chatbot|cite|comply|adhere)|you (?:do not|don't|dont) (?:have|need) to (?:follow|"
        "obey|abide|adhere|comply))",
    ),
    Rule(
        "previous-void", "override", 0.6,
        "void irrelevant test obsolete invalid outdated null cancelled",
        " (?:instructions?|handbook|rules|guidelines|prompt|directives|policy|policies|text above|everything above|"
        r"(?:previous|prior|earlier) \w+) (?:is|are|was|were) (?:now |hereby |only |all |just )*(?:void|irrelevant|"
        "a test|obsolete|invalid|outdated|null|cancelled) ",
    ),
    Rule(
        "obey-only", "obey", 0.45,
        "obey obeys",
        " (?:obey|obeys) (?:only |me|my|all|every|any|the user|each)|(?:you|must|will|shall) obey ",
    ),
    Rule(
        "from-now-on", "new-task", 0.3,
        "now henceforth",
        " (?:from now on|from this (?:moment|point) on|henceforth) ",
    ),
    Rule(
        "only-say", "new-task", 0.3,
        "only just instead simply",
        " (?:instead|just|only|simply|and instead) (?:say|output|print|answer with|reply with|respond with|write|"
        "answer only|tell me|repeat) |answer only with |reply only with ",
    ),
    Rule("repeat-after-me", "new-task", 0.4, "repeat", " repeat after me "),
    Rule("make-me-say", "new-task", 0.5, "stop stopp", " (?:stop|stopp) (?:write|say|print|schreibe|sage) "),
    Rule(
        "despite-told", "override", 0.55,
        "despite contrary regardless",
        " (?:despite|regardless of|contrary to) (?:what |everything |all )?(?:you've|you have|you were|you are|"
        "your (?:previous )?instructions)(?: been)? ",
    ),
)  # fmt: skip
