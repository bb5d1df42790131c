"""Everyday English words that stand for each other in questions and their answers. Called by `quoting` only.

General language, not one product's: money, time, getting, ending, mending. Short on purpose; meaning is for models.
"""

from __future__ import annotations

from .stem import stem

_GROUPS = """
price cost costs fee charge charged pay paid rate amount expensive
cancel cancellation terminate end quit leave stop
return send
refund reimburse reimbursement money-back
phone mobile handset smartphone cellphone cell device
buy purchase purchased order bought
start begin activate activation enable
stolen theft thief
lost lose missing
broken broke faulty defective damaged defect cracked crack
fix repair repaired mend
speed fast slow
internet broadband wifi
abroad overseas foreign travel travelling roaming trip
bill invoice statement
change switch swap modify
plan tariff subscription contract package
number line
limit cap maximum max
delete erase remove
wait waiting
discount reduction
store shop
kid child children son daughter
open opening
late overdue
hotline phone-number contact reach call
duration last lasts
minimum least youngest
move moving relocate
house home address
email mail
month monthly
year yearly annual
day daily
text sms message
allowance include included
block blocked bar
unlimited infinite
set setup install installation
signal coverage reception
password passcode pin code
keep transfer port porting
outage down disruption
guarantee warranty
deadline time
company provider operator carrier
"""
_KIN = {stem(word): f"#{number}" for number, line in enumerate(_GROUPS.strip().splitlines()) for word in line.split()}


def group(word: str) -> str:
    """Return the name of a stem's group, or the stem itself when it stands alone."""
    return _KIN.get(word, word)
