"""What people write back is told apart by rules, in both languages; our own words below theirs never count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.reply_text import LONGEST, own_words, read_words

OURS = "You get this because you signed up. Unsubscribe: https://shop.example.com/u/1"


@pytest.mark.parametrize(
    "words",
    [
        "STOP",
        "Stop.",
        "stop svp",
        "Unsubscribe",
        "Please unsubscribe me from this list.",
        "How do I unsubscribe?",
        "Take me off your list!",
        "please don't email me again",
        "No more emails please",
        "Leave me alone.",
        "Désinscription",
        "Merci de me désinscrire",
        "Je souhaite me désabonner de votre newsletter.",
        "Ne m\u2019écrivez plus.",
        "Merci de ne plus m'envoyer de mails",
        "Je ne souhaite plus recevoir vos messages",
        "Arrêtez de m'envoyer des pubs",
        "Supprimez mon adresse de votre fichier",
        "ＳＴＯＰ",
        "please stop",
        "Not interested, unsubscribe me please",
        "I never signed up, please unsubscribe me",
        "Pas intéressé, désinscrivez-moi",
        "I don't want to receive any emails",
        "Je ne veux pas de vos mails",
        "On Friday I asked you to stop, March 2025, unsubscribe me",
        "S\u200bTOP",
    ],
)
def test_a_plain_stop_is_a_stop(words: str) -> None:
    assert read_words(words).reading == "opt_out"


@pytest.mark.parametrize(
    "words",
    [
        "Don't unsubscribe me, I like your mails!",
        "Je n'ai jamais demandé à être désinscrit.",
        "Where is the next stop of your tour?",
        "I cannot stop wearing it, thank you!",
        "Thanks!",
    ],
)
def test_whoever_wants_to_stay_is_not_stopped(words: str) -> None:
    assert read_words(words).reading != "opt_out"


@pytest.mark.parametrize(
    ("words", "reading", "objection", "needs_person"),
    [
        ("C'est trop cher pour moi.", "objection", "price", False),
        ("You send too many emails", "objection", "frequency", False),
        ("Trop de mails !", "objection", "frequency", False),
        ("Pas maintenant, le mois prochain peut-être", "objection", "timing", False),
        ("I already have one", "objection", "elsewhere", False),
        ("Not interested.", "objection", "no_interest", False),
        ("Too expensive, do you have a smaller one?", "objection", "price", True),
        ("Is it available in blue?", "question", "", True),
        ("Avez-vous du 42", "question", "", True),
        ("My parcel never arrived.", "human_needed", "", True),
        ("Je veux un remboursement", "human_needed", "", True),
        ("Unsubscribe me and delete my data under the GDPR", "opt_out", "", True),
        ("Merci beaucoup !", "thanks", "", False),
        ("", "thanks", "", False),
        ("…", "thanks", "", False),
        ("👎", "unread", "", False),
        ("Отпишите меня от рассылки", "unread", "", False),
        ("Je suis en congés jusqu'au 3 mars", "out_of_office", "", False),
        ("The garden looks lovely this year", "unread", "", False),
    ],
)
def test_each_kind_is_told(words: str, reading: str, objection: str, needs_person: bool) -> None:
    found = read_words(words)
    assert (found.reading, found.objection, found.needs_person) == (reading, objection, needs_person)


def test_an_absence_is_told_by_the_subject_too() -> None:
    assert read_words("Hello", subject="Réponse automatique : Offre").reading == "out_of_office"


@pytest.mark.parametrize(
    "repeated",
    [
        f"On Mon, Mar 3, 2025 at 9:12 AM Shop <news@shop.example.com> wrote:\n> {OURS}",
        f"Le lun. 3 mars 2025 à 09:12, Boutique <news@shop.example.com> a écrit :\n> {OURS}",
        f"Le lundi 3 mars 2025 à 09:12:30 UTC+1, Boutique\n<news@shop.example.com> a écrit :\n{OURS}",
        f"> {OURS}",
        f"-----Original Message-----\nFrom: Shop <news@shop.example.com>\n{OURS}",
        f"________________________________\nDe : Boutique <news@shop.example.com>\n{OURS}",
        f"De : Boutique <news@shop.example.com>\nEnvoyé : lundi\n{OURS}",
        f"--\nAnna\n{OURS}",
    ],
)
def test_what_the_program_repeats_is_not_what_they_wrote(repeated: str) -> None:
    answer = f"Do you have it in blue?\n\n{repeated}"
    assert own_words(answer) == "Do you have it in blue?"
    assert read_words(own_words(answer)).reading == "question"


@pytest.mark.parametrize(
    "above",
    [
        "On Mon, Mar 3, 2025 at 9:12 AM Shop <news@shop.example.com> wrote:",
        "Le lundi 3 mars 2025 à 09:12, Boutique\n<news@shop.example.com> a écrit :",
    ],
)
def test_what_is_written_below_marked_lines_is_theirs(above: str) -> None:
    assert own_words(f"{above}\n> Hello\n> {OURS}\n\nUNSUBSCRIBE me please") == "UNSUBSCRIBE me please"


def test_below_lines_that_are_not_marked_nothing_is_theirs() -> None:
    assert own_words(f"Hi\n\nOn Monday the shop wrote:\n\n{OURS}") == "Hi"


@given(st.text(max_size=300))
def test_any_text_is_read_as_something(text: str) -> None:
    words = own_words(text)
    assert len(words) <= LONGEST
    assert read_words(words).reading in {
        "opt_out", "objection", "question", "human_needed", "out_of_office", "thanks", "unread",
    }  # fmt: skip


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", ["On " * 30_000 + "wrote", "ne " * 30_000, "a?" * 30_000, "don't " * 20_000 + "send"])
def test_a_text_made_to_take_for_ever_is_read_all_the_same(text: str) -> None:
    assert read_words(own_words(text)).reading in {"unread", "question"}
