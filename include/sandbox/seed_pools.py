"""
Names, places and companies that invented people are drawn from.

Chosen to be awkward in the ways real ones are: apostrophes straight and curled, accents, other scripts, surnames that
look like missing values, commas and ampersands, emoji.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACCOUNTS",
    "DEPARTMENTS",
    "FIRST_NAMES",
    "LAST_NAMES",
    "NOTES",
    "PLACES",
    "SALUTATIONS",
    "SOURCES",
    "STREETS",
    "TITLES",
    "USERS",
]

# Name, ASCII form for addresses.
FIRST_NAMES: Final = (
    ("Ada", "ada"), ("Zoë", "zoe"), ("Björn", "bjorn"), ("Łukasz", "lukasz"), ("Siobhán", "siobhan"),
    ("José", "jose"), ("Anaïs", "anais"), ("Mehmet", "mehmet"), ("Priya", "priya"), ("健", "ken"),
    ("Olena", "olena"), ("Tariq", "tariq"), ("Mary-Jane", "mary-jane"), ("Noor", "noor"), ("Kwame", "kwame"),
    ("Ingrid", "ingrid"), ("Dmitri", "dmitri"), ("Fatima", "fatima"), ("Chen", "chen"), ("Lucía", "lucia"),
    ("Tom", "tom"), ("Grace", "grace"), ("Émile", "emile"), ("Sven", "sven"), ("Ravi", "ravi"),
)  # fmt: skip

LAST_NAMES: Final = (
    ("O'Brien", "obrien"), ("D\u2019Angelo", "dangelo"), ("Müller", "mueller"), ("Nguyễn", "nguyen"),
    ("岡田", "okada"), ("Παπαδόπουλος", "papadopoulos"), ("Ковальчук", "kovalchuk"), ("García Márquez", "garcia"),
    ("van der Berg", "vanderberg"), ("Null", "null"), ("None", "none"), ("NaN", "nan"), ("Smith-Jones", "smith-jones"),
    ("Ōe", "oe"), ("Şahin", "sahin"), ("Ångström", "angstrom"), ("Ito", "ito"), ("Lee", "lee"), ("Okonkwo", "okonkwo"),
    ("Larsen", "larsen"), ("Haddad", "haddad"), ("Novák", "novak"), ("Brown", "brown"), ("Singh", "singh"),
    ("MacDonald", "macdonald"), ("Li", "li"), ("Rossi", "rossi"), ("Dubois", "dubois"), ("Kowalska", "kowalska"),
)  # fmt: skip

SALUTATIONS: Final = ("Ms.", "Mr.", "Dr.", "Prof.", "")

TITLES: Final = (
    "CTO", "Head of Sales, EMEA", "R&D Engineer", "Buyer", "VP Marketing", "Geschäftsführer", "Directrice générale",
    "営業部長", "Growth 🚀 Lead", "Plant Manager", "Procurement Officer", "Data \"Whisperer\"", "Consultant",
    "Assistant to the Regional Manager", "Founder & CEO", "IT Administrator", "",
)  # fmt: skip

DEPARTMENTS: Final = ("Sales", "R&D", "Marketing", "Finance", "IT", "Operations", "")

STREETS: Final = ("High Street", "Hauptstraße", "Rue de l'Église", "Calle Mayor", "Storgata", "Via Roma", "桜通り")

# City, state or province, postal code, country, telephone prefix.
PLACES: Final = (
    ("London", "", "EC1A 1BB", "United Kingdom", "+44 20"),
    ("Köln", "Nordrhein-Westfalen", "50667", "Germany", "+49 221"),
    ("Saint-Étienne", "Auvergne-Rhône-Alpes", "42000", "France", "+33 4"),
    ("Oslo", "", "0150", "Norway", "+47 22"),
    ("São Paulo", "SP", "01000-000", "Brazil", "+55 11"),
    ("Austin", "TX", "73301", "United States", "+1 512"),
    ("Boston", "MA", "02108", "United States", "+1 617"),
    ("東京", "東京都", "100-0001", "Japan", "+81 3"),
    ("Kraków", "Małopolskie", "30-001", "Poland", "+48 12"),
    ("Zürich", "ZH", "8001", "Switzerland", "+41 44"),
    ("Montréal", "QC", "H2Y 1C6", "Canada", "+1 514"),
    ("Nairobi", "", "00100", "Kenya", "+254 20"),
)

ACCOUNTS: Final = (
    "Adatum Corporation", "Northwind Traders", "Fabrikam, Inc.", "Tailspin Toys", "Wide World Importers",
    "Litware & Söhne GmbH", "Coho Vineyard", "L'Atelier du Pain", "Proseware", "Trey Research", "Blå Himmel AS",
    "株式会社さくら", "Humongous Insurance", "A. Datum \"Labs\"", "Lucerne Publishing", "Margie's Travel",
    "Null Island Shipping", "Graphic Design Institute", "Alpine Ski House", "Bellows College",
)  # fmt: skip

# Label in Marketo and in Dynamics, value in Dynamics. Source: the shipped choices of leadsourcecode.
SOURCES: Final = (("Web", 8), ("Trade Show", 7), ("Partner", 4), ("Seminar", 6), ("Word of Mouth", 9), ("Other", 10))

NOTES: Final = (
    "Met at the trade show; wants a call back.\nPrefers mornings.",
    "Asked twice about pricing \u2013 \u201cno discounts, please\u201d.",
    "Likes cycling 🚴, two children, allergic to nuts.",
    "",
)

# First and last names of Dynamics users, the owners of rows.
USERS: Final = (
    ("Keiko", "Ito"), ("Jane", "O'Hara"), ("Mateusz", "Wójcik"), ("Amara", "Diallo"), ("Søren", "Kjær"),
    ("Lena", "Vogt"),
)  # fmt: skip
