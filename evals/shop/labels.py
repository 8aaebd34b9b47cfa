"""Product names that people can read, from the abbreviations of a till."""

from __future__ import annotations

import re

WORDS = {
    "AND/OR": "and",
    "BAGGED": "bagged",
    "BBQ": "BBQ",
    "BEERALEMALT": "beer, ale and malt",
    "BKD": "baked",
    "BLND": "blend",
    "BN": "beans",
    "BR": "bread",
    "BRD": "bread",
    "BRKFST": "breakfast",
    "BTL": "bottle",
    "BTR": "butter",
    "CARB": "sparkling",
    "CATFD": "cat food",
    "CHIX": "chicken",
    "CHICK": "chicken",
    "CHOC": "chocolate",
    "CHOCOCLATE": "chocolate",
    "CKYS": "cookies",
    "CLEANG": "cleaning",
    "CND": "candy",
    "CNDY": "candy",
    "COCO": "cocoa",
    "CONC": "concentrate",
    "CRBNTD": "carbonated",
    "CRKR": "crackers",
    "CRMD": "creamed",
    "CRYSTL": "crystal",
    "DISPOSIBLE": "disposable",
    "DNR": "dinner",
    "DNRS": "dinners",
    "DOGFD": "dog food",
    "DRNK": "drink",
    "DRNKING": "drinking",
    "DRNKNG": "drinking",
    "DRNKS": "drinks",
    "DRSNG": "dressing",
    "DSH": "dish",
    "EX": "extra",
    "EXCP": "",
    "FD": "food",
    "FEM": "feminine",
    "FLVR": "flavour",
    "FLVRD": "flavoured",
    "FRENCH": "French",
    "FRZ": "frozen",
    "FRZN": "frozen",
    "FS": "French style",
    "FXNS": "functions",
    "GDS": "goods",
    "GRND": "ground",
    "HBC": "health and beauty",
    "HISPANIC": "Hispanic",
    "HYGN": "hygiene",
    "INCL": "",
    "IQF": "individually frozen",
    "ITALIAN": "Italian",
    "IWS": "individually wrapped",
    "JCE": "juice",
    "MACH": "machine",
    "MEXICAN": "Mexican",
    "MFG": "maker",
    "MISC": "miscellaneous",
    "MISC.": "miscellaneous",
    "MIXS": "mixes",
    "MLK": "milk",
    "MLT": "multi",
    "MNERAL": "mineral",
    "MNRL": "mineral",
    "MW": "microwave",
    "MX": "mix",
    "MXS": "mixes",
    "NDAIRY": "non-dairy",
    "NWP": "",
    "ORIENTAL": "Oriental",
    "PK": "pack",
    "PKG": "packaged",
    "PKGD": "packaged",
    "PKLD": "pickled",
    "PLSTC": "plastic",
    "PNT": "peanut",
    "PREM": "premium",
    "PREP": "prepared",
    "PWDR": "powder",
    "PWDRS": "powders",
    "REFRGRATD": "refrigerated",
    "REFRIG": "refrigerated",
    "REG": "regular",
    "RTS": "ready-to-serve",
    "RW": "random-weight",
    "SAL": "salad",
    "SALD": "salad",
    "SAUS": "sausage",
    "SFT": "soft",
    "SGL": "single",
    "SHERBTS": "sherbets",
    "SNDWCH": "sandwich",
    "SNGL": "single",
    "SNKS": "snacks",
    "SOD": "soda",
    "SPECILATY": "specialty",
    "SPLY": "supplies",
    "SPRD": "spread",
    "SRV": "serve",
    "SS": "single-serve",
    "STK": "stick",
    "SUP": "super",
    "SUPPPLIES": "supplies",
    "SV": "serve",
    "SW": "sweet",
    "SWEETNERS": "sweeteners",
    "TISS": "tissue",
    "TORT": "tortilla",
    "TRSH": "trash",
    "TV": "TV",
    "BG": "bags",
    "VAC": "vacuum",
    "VEG": "vegetables",
    "VEND": "vending",
    "WAT": "water",
    "WATE": "water",
    "WHL": "whole",
    "WHLSM": "wholesome",
    "WT": "weight",
    "WTR": "water",
}
UNITS = {
    "OZ": "oz",
    "LB": "lb",
    "CT": "ct",
    "PK": "pack",
    "ML": "ml",
    "L": "l",
    "LTR": "l",
    "LITER": "l",
    "GAL": "gal",
    "QT": "qt",
    "PT": "pt",
    "FT": "ft",
    "IN": "in",
    "SQ": "sq",
    "DR": "dr",
    "G": "g",
    "KG": "kg",
    "DZ": "dozen",
    "ROLL": "roll",
}
DEPARTMENTS = {
    "CHEF SHOPPE": "Chef's counter",
    "CNTRL/STORE SUP": "Store supplies",
    "DRUG GM": "Drugstore and household",
    "ELECT &PLUMBING": "Electrical and plumbing",
    "GM MERCH EXP": "Household",
    "MEAT-PCKGD": "Packaged meat",
    "PROD-WHS SALES": "Produce",
    "SEAFOOD-PCKGD": "Packaged seafood",
}
UNNAMED = "Various"
# Types that say nothing without their category.
BARE_TYPES = frozenset(
    {
        "BLENDS",
        "CHOICE",
        "ECONOMY",
        "ECONOMY - MEAT",
        "ENHANCED",
        "FRESH",
        "FROZEN",
        "GARDEN PLUS",
        "LEAN",
        "LINKS",
        "MAINSTREAM",
        "MISC",
        "ORGANIC",
        "OTHER",
        "PATTIES",
        "PREMIUM",
        "PREMIUM - MEAT",
        "PREMIUM PINTS",
        "PRIMAL",
        "REGULAR",
        "REGULAR GARDEN",
        "SELECT",
        "SMOKED/COOKED",
        "SPECIALTY",
        "STICKS/ENROBED",
        "SUPER PREMIUM",
        "SUPER PREMIUM PINTS",
        "TRADITIONAL",
        "VALUE",
    }
)
_PARTS = re.compile(r"[A-Z']+\.?|[^A-Z']+")
_LIST_MARK = re.compile(r"(?<=[A-Z])/(?=[A-Z])")


def readable(till_name: str | None) -> str:
    """A till's abbreviation as a phrase: ``FRZN BAGGED VEGETABLES - PLAIN`` is ``Frozen bagged vegetables, plain``."""
    name = _LIST_MARK.sub(", ", re.sub(r"\([^)]*\)?", " ", till_name or ""))
    name = re.sub(r"\s-\s|:\s*|\s{2,}-", ", ", name).replace("&", " and ")
    spelled = "".join(WORDS.get(part, part.lower()) for part in _PARTS.findall(name))
    spelled = re.sub(r"[/,\s]+$", "", re.sub(r"\s+", " ", re.sub(r"\s+,", ",", spelled))).strip()
    return spelled[:1].upper() + spelled[1:] if spelled else UNNAMED


def category(till_category: str | None, till_type: str | None) -> str:
    """A category as a phrase; petrol and odd items leave the till's catch-all category for one that says so."""
    if (till_type or "").startswith("GASOLINE"):
        return "Fuel"
    if (till_category or "").startswith("COUPON"):
        return UNNAMED
    *most, last = _LIST_MARK.split(till_category or "")
    return readable(f"{'/'.join(most)} & {last}" if most else last)


def product_name(till_type: str | None, till_category: str | None) -> str:
    """What a product is called, without its size: its type, after its category where the type alone says nothing."""
    if till_type in BARE_TYPES and till_category:
        return f"{category(till_category, till_type)}, {readable(till_type).lower()}"
    return readable(till_type)


def department(till_department: str | None) -> str:
    """A department as the shop's visitors know it."""
    return DEPARTMENTS.get(till_department or "", readable(till_department))


def readable_size(till_size: str | None) -> str:
    """A package size as people write it (``28.0 OZ`` becomes ``28 oz``); empty if the till holds none."""
    words = re.sub(r"^T\s+", "", (till_size or "").strip()).replace("(", "").replace(")", "").split()
    plain = (re.sub(r"\.0+$", "", word) for word in words)
    return " ".join(UNITS.get(word, word.lower()) for word in plain)
