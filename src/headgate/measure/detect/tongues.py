"""Phrases of takeover in other languages than English (accents may be missing: texts are folded), and tell-tale markup.

Read by `injection` only; nothing here runs.
"""

from __future__ import annotations

from .rules import Rule

TONGUES: tuple[Rule, ...] = (
    Rule(
        "german-override", "override", 0.8,
        "vergiss vergessen ignoriere ignorieren ignorier missachte abweichend vergesse ignoriert",
        " (?:vergiss|vergesse|vergessen sie|ignoriere|ignorier|ignorieren sie|missachte|missachten sie|"
        "ignorieren)(?: nun| bitte| mal)* (?:(?:alle|alles|die|deine|ihre|samtliche|sämtliche|obigen|obige|"
        "vorherigen|bisherigen|vorangehenden|vorigen|vorhergehenden|was|wir|vorher|gesagte|sie|jegliche|jede|"
        "jeden) )*(?:anweisungen|anweisung|aufgaben|auftrage|aufträge|befehle|instruktionen|regeln|richtlinien|"
        "vorgaben|angaben|informationen|davor|gesagte|vorher|besprochen|und schreibe|schreibe|prompts?)|"
        "abweichend zu vorherigen instruktionen ",
    ),
    Rule(
        "german-new-task", "new-task", 0.55,
        "neue neuen irrelevant aufgaben anweisungen",
        " (?:nun folgen (?:weitere |neue )(?:aufgaben|anweisungen)|konzentriere dich (?:jetzt |nun )?auf (?:deine|"
        r"die) neue aufgabe|(?:vorherigen|bisherigen) (?:informationen|anweisungen) (?:\w+ ){0,5}(?:irrelevant|"
        r"nicht)|vorherigen (?:aufgaben|informationen) (?:\w+ ){0,4}(?:streichen|hinter)) ",
    ),
    Rule(
        "german-exfiltration", "exfiltration", 0.6,
        "prompt promptext prompts texte systemprompt anweisungen",
        r" (?:zeige|zeig|gib|nenne|verrate|drucke|wiederhole)(?: mir)? (?:\w+ ){0,4}(?:system ?prompt|"
        "prompt ?texte?|prompts?|deine anweisungen) ",
    ),
    Rule(
        "german-role", "role-play", 0.5,
        "fungieren fungierst bist stell",
        r" (?:mochte|möchte|will) dass (?:sie|du) als (?:\w+ ){0,6}fungier(?:en|st)|(?:jetzt|nun) bist du |"
        "stell dir vor du (?:bist|warst|wärst) ",
    ),
    Rule(
        "spanish-override", "override", 0.8,
        "olvida olvide olvidar ignora ignore ignorar olvidate",
        " (?:olvida|olvide|olvidar|olvidate de|ignora|ignore|ignorar) (?:(?:todas?|todos?|las|los|tus|sus|que|de|"
        "lo|digo|dije|sabes) )*(?:instrucciones|reglas|ordenes|indicaciones|antes|sabes|anteriores) ",
    ),
    Rule(
        "french-override", "override", 0.8,
        "oubliez oublie ignorez ignore oublier ignorer",
        " (?:oubliez|oublie|ignorez|ignore|oublier|ignorer) (?:(?:toutes|tous|tout|les|tes|vos|ce|qui|precedentes|"
        "précédentes) )*(?:instructions|consignes|regles|règles|directives|precede|précède) ",
    ),
    Rule(
        "romance-override", "override", 0.8,
        "ignora dimentica ignore esqueca esqueça ignorar scorda",
        " (?:ignora|dimentica|scorda|ignore|esqueca|esqueça|ignorar) (?:(?:tutte|tutti|le|todas|as|suas|tuas|"
        "precedenti) )*(?:istruzioni|regole|instrucoes|instruções|regras) ",
    ),
    Rule(
        "slavic-override", "override", 0.8,
        "zaboravi zapomnij ignoruj zapomen",
        r" (?:zaboravi|zapomnij|ignoruj|zapomen) (?:\w+ ){0,3}(?:instrukcije|instrukcje|instrukcji|instrukce|"
        "polecenia|pokyny|pravila) ",
    ),
    Rule(
        "russian-override", "override", 0.8,
        "забудь забудьте игнорируй игнорируйте",
        r" (?:забудь|забудьте|игнорируй|игнорируйте) (?:\w+ ){0,4}(?:инструкции|правила|указания|команды) ",
    ),
)  # fmt: skip

SHAPES: tuple[Rule, ...] = (
    Rule(
        "chat-markup", "smuggling", 0.8,
        ("<|", "[inst]", "<<sys", "### instruction", "### system", "<system", "</system"),
        r"<\|(?:im_start|im_end|system|endoftext|start_header_id)\b|\[/?INST\]|<</?SYS>>|^\s*###\s*(?:system|"
        r"instruction)\b\s*:?|</?system(?:_prompt)?>",
    ),
    Rule(
        "role-heading", "new-task", 0.35,
        ("system", "developer"),
        r"""(?:^|[\"'«“>|*]|\d\d:\d\d )\s*\W{0,3}(?:system|developer)(?: message| prompt| note| override)?\W{0,3}:""",
    ),
    Rule(
        "tool-markup", "smuggling", 0.6,
        ("<tool_call", "<function", '"tool_calls"', '"function_call"'),
        r'<(?:tool_call|function_call|function_calls|tool)\b[^>]{0,80}>|\"(?:tool_calls|function_call)\"\s*:\s*[\[{]',
    ),
    Rule(
        "shell-pipe", "smuggling", 0.6,
        ("| sh", "| bash", "|sh", "|bash", "rm -rf"),
        r"\b(?:curl|wget)\s[^\n|]{1,300}\|\s*(?:sudo\s)?(?:ba|z)?sh\b|\brm\s+-rf\s+[/~*]",
    ),
    Rule(
        "image-leak", "smuggling", 0.6,
        ("](http",),
        r"!\[[^\]\n]{0,100}\]\(https?://[^)\s]{1,200}(?:\{|\$|<|=%|data=|prompt=|secret=)",
    ),
    Rule(
        "chinese-override", "override", 0.8,
        ("忽略", "忘记", "无视", "忘掉"),
        "(?:忽略|忘记|无视|忘掉)(?:你|您|之前|以上|所有|先前|上面|前面|全部|的|一切|任何|此前){1,6}(?:指令|指示|提示|规则|命令|说明|要求)",
    ),
    Rule(
        "japanese-override", "override", 0.8,
        ("無視", "忘れ"),
        "(?:以前|これまで|前|上記|すべて|全て)の(?:すべての|全ての)?(?:指示|命令|ルール|プロンプト|規則)を(?:無視|忘れ)",
    ),
    Rule(
        "arabic-override", "override", 0.8,
        ("تجاهل", "انس"),
        r"(?:تجاهل|انس)\s+(?:\w+\s+){0,2}(?:التعليمات|الأوامر|القواعد|تعليماتك)",
    ),
)  # fmt: skip
"""Rules over the text itself, not over its words: tried when one of their marks occurs."""
