"""Exports as the vendors write them are recognised, and their columns mean what the vendor means."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from memory.importing.mapping import guess
from memory.importing.report import ImportSettings
from memory.lake import Lake
from memory.schema import accounts, contacts, deals, from_micros, suppressions
from memory.store import Store
from tests.memory.importing.loading import Importer, rows_of

SHOPIFY_CUSTOMERS = """Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,\
Default Address Address1,Default Address Address2,Default Address City,Default Address Province Code,\
Default Address Country Code,Default Address Zip,Default Address Phone,Phone,Accepts SMS Marketing,Total Spent,\
Total Orders,Note,Tax Exempt,Tags
'7210448301122,Anna,Jansen,Anna@Example.com,yes,,Dorpsstraat 1,,Utrecht,,NL,'1234AB,'+31612345678,,no,120.50,3,,no,vip
'7210448301123,Bob,,bob@example.com,no,,,,,,FR,75011,,,no,0.00,0,"Calls
on Mondays",no,
"""

SHOPIFY_ORDERS = """Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,\
Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,\
Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,\
Lineitem fulfillment status,Billing Name,Notes,Cancelled at,Payment Method,Refunded Amount,Vendor,Id,Tags,Source,\
Lineitem discount
#1001,anna@example.com,paid,2025-01-15 10:23:00 -0500,fulfilled,,yes,EUR,45.00,5.00,0.00,50.00,,0.00,DHL,\
2025-01-15 10:22:33 -0500,2,Green tea,10.00,,TEA-1,true,true,fulfilled,Anna,,,Card,0.00,Leafy,'501,,web,0.00
#1001,anna@example.com,,,,,,,,,,,,,,2025-01-15 10:22:33 -0500,1,Tea pot,25.00,,POT-9,true,true,fulfilled,,,,,,\
Leafy,,,,0.00
#1002,new@example.com,refunded,,,,no,EUR,10.00,0.00,0.00,10.00,,0.00,,2025-01-16 09:00:00 +0100,1,Green tea,10.00,,\
TEA-1,true,true,pending,,,,,10.00,Leafy,'502,,web,0.00
#1003,new@example.com,paid,,,,no,EUR,10.00,0.00,0.00,9.00,HELLO,1.00,,2025-01-17 09:00:00 +0100,1,Green tea,10.00,,\
TEA-1,true,true,pending,,,,,0.00,Leafy,'503,,web,0.00
"""

SHOPIFY_PRODUCTS = """Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,\
Variant SKU,Variant Price,Image Src,Cost per item,Status
green-tea,Green tea,<p>Leafy</p>,Leafy,Food > Beverages > Tea,,,true,Size,100 g,TEA-1,10.00,https://cdn.example/a.jpg,4.00,\
active
green-tea,,,,,,,,,250 g,TEA-2,22.00,,,
green-tea,,,,,,,,,,,,https://cdn.example/b.jpg,,
"""

SHOPIFY_SIZES = """Handle,Title,Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,\
Variant Inventory Qty,Image Src,Status
shirt,Shirt,Leafy,Tops,Size,S,,10.00,{},https://cdn.example/a.jpg,active
shirt,,,,,M,,10.00,{},,
shirt,,,,,XL,,12.00,{},,
shirt,,,,,,,,,https://cdn.example/b.jpg,
green-tea,Green tea,Leafy,Tea,Size,100 g,TEA-1,10.00,3,,active
"""

WOO_ORDERS = """Order Number,Order Status,Order Date,Customer Note,First Name (Billing),Last Name (Billing),\
Email (Billing),Payment Method Title,Cart Discount Amount,Order Subtotal Amount,Order Shipping Amount,\
Order Refund Amount,Order Total Amount,Order Total Tax Amount,SKU,Item #,Item Name,Quantity (- Refund),Item Cost,\
Coupon Code,Discount Amount,Discount Amount Tax
501,Completed,2025-01-15 12:00,,Léa,Petit,lea@example.com,Card,0,30,5,0,35,0,SHIRT,1,Shirt,1,20,,0,0
501,Completed,2025-01-15 12:00,,Léa,Petit,lea@example.com,Card,0,30,5,0,35,0,SOCKS,2,Socks,2,5,,0,0
502,Cancelled,2025-01-16 12:00,,Léa,Petit,lea@example.com,Card,0,20,5,0,25,0,SHIRT,1,Shirt,1,20,,0,0
"""

WOO_PRODUCTS = """ID,Type,SKU,Name,Published,"Is featured?","Visibility in catalog","Short description","Sale price",\
"Regular price",Stock,Categories,Tags,Images,Parent,Brands
12,simple,SHIRT,Shirt,1,0,visible,,,20,-2,"Clothing > Tops, Sale",,"https://x.example/1.jpg, https://x.example/2.jpg",,Acme
"""

HUBSPOT_CONTACTS = """Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Lead Status,Create Date,\
Associated Company,Associated Company IDs,Country/Region,Preferred language,Time Zone,Unsubscribed from all email
101,Camille,Durand,camille@example.com,+33 6 00 00 00 00,Ina,NEW,2024-03-12 09:14,Atelier Durand,9001,France,French,\
europe_slash_paris,No
102,John,Smith,JOHN@Example.com,,Ina,OPEN_DEAL,2024-03-15 14:30,,,Australia,,,Yes
"""

HUBSPOT_DEALS = """Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount,Pipeline,Create Date,\
Associated Contact IDs,Associated Company IDs,Is Closed Won
7001,Big tea,Contract sent,2026-12-31 00:00,Ina,12000.50,Sales,2025-01-10 09:00,101;102,9001,No
7002,Small tea,Closed won,2025-02-01 00:00,Ina,900,Sales,2025-01-11 09:00,101,9001,Yes
"""

SALESFORCE_CONTACTS = """Id,IsDeleted,AccountId,LastName,FirstName,Name,MailingStreet,MailingCity,MailingPostalCode,\
MailingCountry,Phone,Email,HasOptedOutOfEmail,CreatedDate
0035g00000A1,false,0015g00000B1,Doe,Jane,Jane Doe,1 Main St,Lyon,69001,France,,jane@example.com,false,\
2024-05-01T10:00:00.000+0000
"""

SALESFORCE_OPPORTUNITIES = """Id,AccountId,Name,StageName,Amount,CloseDate,IsClosed,IsWon,CreatedDate,ContactId
0065g00000C1,0015g00000B1,Renewal,Closed Lost,5000.0,2025-01-31,true,false,2024-11-01T10:00:00.000+0000,0035g00000A1
"""

KLAVIYO = """Email,Klaviyo ID,First Name,Last Name,Organization,Phone Number,City,State / Region,Country,Zip Code,\
Source,Email Marketing Consent,Email Marketing Consent Timestamp,Profile Created On,Date Added
k1@example.com,01HQ1,Kim,Lee,,,Paris,IDF,France,75011,Footer form,SUBSCRIBED,2024-02-03 10:00:00,2024-02-03,2024-02-03
k2@example.com,01HQ2,Sam,Roy,,,,,,,,NEVER_SUBSCRIBED,,2024-02-04,2024-02-04
k3@example.com,01HQ3,Jo,Fay,,,,,,,,UNSUBSCRIBED,,2024-02-04,2024-02-04
"""

MAILCHIMP = """"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,\
LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS
m1@example.com,Maya,White,2,"2016-04-18 13:50:14",77.222.65.130,"2016-04-18 13:51:14",77.222.65.130,,,,,\
Europe/Paris,FR,,"2016-04-18 14:00:32",55331253,89501affba,,
m2@example.com,Ben,Black,2,,,,,,,,,,US,,"2016-04-18 14:00:32",55331257,c9b2705335,,
"""

MAILCHIMP_UNSUBSCRIBED = """"Email Address","First Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,UNSUB_TIME,\
UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,LEID,EUID
gone@example.com,Gil,2,"2016-04-18 13:50:14",,"2020-01-05 08:00:00",January,99,"No longer interested",,1,a1
"""

BREVO = """CONTACT ID;EMAIL;PRENOM;NOM;SMS;OPT_IN;ADDED_TIME;MODIFIED_TIME
1;b1@example.com;Zoé;Durand;33600000000;Oui;31-12-2024 10:00:00;02-01-2025 10:00:00
2;b2@example.com;Luc;Martin;;Non;15-11-2024 10:00:00;02-01-2025 10:00:00
"""

BREVO_LOGS = """st_text;ts;sub;frm;email;tag;mid;link
Sent;2025-01-10 10:00:00;January news;shop@example.com;b1@example.com;;<m1@x>;
Delivered;2025-01-10 10:00:05;January news;shop@example.com;b1@example.com;;<m1@x>;
Opened;2025-01-10 11:00:00;January news;shop@example.com;b1@example.com;;<m1@x>;
Clicked;2025-01-10 11:01:00;January news;shop@example.com;b1@example.com;;<m1@x>;https://x.example
Sent;2025-01-10 10:00:01;January news;shop@example.com;b2@example.com;;<m2@x>;
Hard bounce;2025-01-10 10:00:09;January news;shop@example.com;b2@example.com;;<m2@x>;
"""


def _people(store: Store) -> dict[str, dict[str, object]]:
    with store.read() as connection:
        return {row.email: row._asdict() for row in connection.execute(select(contacts)) if row.email}


def test_every_vendor_is_recognised_by_its_header() -> None:
    found = {
        (mapping.vendor, mapping.kind)
        for text in (
            SHOPIFY_CUSTOMERS, SHOPIFY_ORDERS, SHOPIFY_PRODUCTS, WOO_ORDERS, WOO_PRODUCTS, HUBSPOT_CONTACTS,
            HUBSPOT_DEALS, SALESFORCE_CONTACTS, SALESFORCE_OPPORTUNITIES, KLAVIYO, MAILCHIMP, MAILCHIMP_UNSUBSCRIBED,
        )
        for mapping in [guess([cell.strip('"') for cell in text.splitlines()[0].split(",")])]
    } | {(guess(text.splitlines()[0].split(";")).vendor, guess(text.splitlines()[0].split(";")).kind)
         for text in (BREVO, BREVO_LOGS)}  # fmt: skip
    assert found == {
        ("shopify", "contacts"),
        ("shopify", "orders"),
        ("shopify", "products"),
        ("woocommerce", "orders"),
        ("woocommerce", "products"),
        ("hubspot", "contacts"),
        ("hubspot", "deals"),
        ("salesforce", "contacts"),
        ("salesforce", "deals"),
        ("klaviyo", "contacts"),
        ("mailchimp", "contacts"),
        ("mailchimp", "suppressions"),
        ("brevo", "contacts"),
        ("brevo", "sends"),
    }


def test_a_shopify_customer_keeps_its_id_country_and_consent(store: Store, load: Importer) -> None:
    report = load(SHOPIFY_CUSTOMERS)
    assert (report.rows_read, report.rows_written, report.rows_quarantined) == (2, 2, 0)
    anna = _people(store)["anna@example.com"]
    assert (anna["first_name"], anna["country"], anna["phone"]) == ("Anna", "NL", "'+31612345678".lstrip("'"))
    assert anna["attributes"] == {"address": "Dorpsstraat 1", "postal_code": "1234AB", "city": "Utrecht"}
    assert report.mailable is not None
    assert (report.mailable.with_consent, report.mailable.with_proof) == (1, 0)


def test_a_shopify_order_with_several_lines_is_one_order(lake: Lake, load: Importer) -> None:
    load(SHOPIFY_PRODUCTS)
    report = load(SHOPIFY_ORDERS)
    assert report.rows_skipped == 1, "the refunded order is no purchase"
    assert rows_of(lake, "SELECT order_id, total_cents, discount_cents FROM orders ORDER BY order_id") == [
        ("#1001", 5000, 0),
        ("#1003", 900, 100),
    ]
    assert rows_of(
        lake, "SELECT order_id, line, product_id, category, quantity, amount_cents FROM lines ORDER BY 1, 2"
    ) == [
        ("#1001", 1, "TEA-1", "Tea", 2, 2000),
        ("#1001", 2, "POT-9", "", 1, 2500),
        ("#1003", 1, "TEA-1", "Tea", 1, 1000),
    ]  # fmt: skip
    at = rows_of(lake, "SELECT \"at\" FROM orders WHERE order_id = '#1001'")[0][0]
    assert from_micros(at).isoformat() == "2025-01-15T15:22:33+00:00"


def test_shopify_variants_take_their_parents_name_and_pictures_add_nothing(lake: Lake, load: Importer) -> None:
    report = load(SHOPIFY_PRODUCTS)
    assert report.rows_skipped == 1
    assert rows_of(
        lake, "SELECT product_id, name, category, department, brand, price_cents, cost_cents FROM products ORDER BY 1"
    ) == [
        ("TEA-1", "Green tea", "Tea", "Food", "Leafy", 1000, 400),
        ("TEA-2", "Green tea", "Tea", "Food", "Leafy", 2200, None),
    ]


@pytest.mark.parametrize(
    ("units", "expected"),
    [(("10", "5", "0"), 15), (("0", "5", "5"), 10), (("0", "0", "0"), 0), (("0", "", "0"), None), (("", "2", "0"), 2)],
)
def test_shopify_variants_without_a_sku_are_one_product_of_which_all_are_counted(
    lake: Lake, load: Importer, units: tuple[str, str, str], expected: int | None
) -> None:
    report = load(SHOPIFY_SIZES.format(*units))
    assert (report.rows_quarantined, report.rows_skipped) == (0, 3)
    assert rows_of(lake, "SELECT product_id, name, price_cents, stock_units FROM products ORDER BY 1") == [
        ("TEA-1", "Green tea", 1000, 3),
        ("shirt", "Shirt", 1000, expected),
    ]


def test_a_product_without_an_id_that_stands_twice_is_not_counted_twice(lake: Lake, load: Importer) -> None:
    report = load("Handle,Title,Variant Price,Variant Inventory Qty\n" + "shirt,Shirt,10.00,4\n" * 2)
    assert report.rows_skipped == 1
    assert rows_of(lake, "SELECT product_id, stock_units FROM products") == [("shirt", 4)]


def test_woocommerce_orders_have_lines_and_cancelled_ones_are_no_purchase(lake: Lake, load: Importer) -> None:
    load(WOO_PRODUCTS)
    # Two are owed already: there is none to sell.
    assert rows_of(lake, "SELECT product_id, stock_units FROM products") == [("SHIRT", 0)]
    report = load(WOO_ORDERS)
    assert report.rows_skipped == 1
    assert rows_of(lake, "SELECT order_id, total_cents, source FROM orders") == [("501", 3500, "woocommerce")]
    assert rows_of(lake, "SELECT product_id, category, quantity, amount_cents FROM lines ORDER BY line") == [
        ("SHIRT", "Tops", 1, 2000),
        ("SOCKS", "", 2, 1000),
    ]


def test_hubspot_contacts_and_deals_hang_together(store: Store, load: Importer) -> None:
    load(HUBSPOT_CONTACTS)
    load(HUBSPOT_DEALS)
    people = _people(store)
    camille = people["camille@example.com"]
    assert (camille["country"], camille["language"], camille["time_zone"]) == ("FR", "fr", "Europe/Paris")
    with store.read() as connection:
        found = connection.execute(select(deals).order_by(deals.c.external_id)).all()
        assert connection.execute(select(accounts.c.name)).scalars().all() == ["Atelier Durand"]
    assert [(row.amount_cents, row.won, row.contact_id) for row in found] == [
        (1_200_050, None, camille["contact_id"]),
        (90_000, True, camille["contact_id"]),
    ]
    assert found[0].closed_at is None, "the close date of an open deal is only a plan"


def test_salesforce_contacts_and_opportunities_hang_together(store: Store, load: Importer) -> None:
    load(SALESFORCE_CONTACTS)
    load(SALESFORCE_OPPORTUNITIES)
    with store.read() as connection:
        lost = connection.execute(select(deals)).one()
    assert lost.won is False
    assert lost.contact_id == _people(store)["jane@example.com"]["contact_id"]


def test_klaviyo_says_who_subscribed_and_who_never_did(load: Importer) -> None:
    report = load(KLAVIYO)
    assert report.rows_written == 3
    assert report.mailable is not None
    assert report.mailable.with_consent == 1


def test_mailchimp_brings_the_proof_of_its_opt_ins(store: Store, load: Importer) -> None:
    report = load(MAILCHIMP)
    assert report.mailable is not None
    assert (report.mailable.with_consent, report.mailable.with_proof) == (2, 1)


def test_mailchimp_unsubscribes_become_suppressions(store: Store, load: Importer) -> None:
    load(MAILCHIMP_UNSUBSCRIBED)
    with store.read() as connection:
        row = connection.execute(select(suppressions)).one()
    assert (row.reason, row.channel, row.at.isoformat()) == ("unsubscribed", "email", "2020-01-05T08:00:00+00:00")


def test_brevo_contacts_and_logs_in_french(store: Store, lake: Lake, load: Importer) -> None:
    report = load(BREVO.encode("cp1252"))
    assert _people(store)["b1@example.com"]["first_name"] == "Zoé"
    assert report.mailable is not None
    assert report.mailable.with_consent == 1
    load(BREVO_LOGS, "logs.csv")
    assert rows_of(lake, "SELECT message_key, delivered, bounced FROM sends ORDER BY 1") == [
        ("<m1@x>", True, ""),
        ("<m2@x>", False, "hard"),
    ]
    assert rows_of(lake, "SELECT kind, human FROM events ORDER BY kind") == [("click", True), ("open", True)]
    with store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["hard_bounce"]


def test_a_plain_french_export_is_understood(store: Store, lake: Lake, load: Importer) -> None:
    load(
        "Identifiant client;Prénom;Nom;Adresse e-mail;Langue;Pays\n7;Zoé;Petit;zoe@example.com;Français;France\n",
        "clients.csv",
    )
    settings = ImportSettings(currency="EUR")
    report = load(
        "N° commande;Identifiant client;Date de commande;Montant total;Devise\n"
        "A1;7;31/12/2024;1 234,50 €;EUR\nA2;7;05/01/2025;12,50;EUR\n",
        "commandes.csv",
        settings=settings,
    )
    assert report.kind == "orders"
    assert rows_of(lake, "SELECT order_id, total_cents FROM orders ORDER BY 1") == [("A1", 123_450), ("A2", 1250)]
    at = rows_of(lake, "SELECT \"at\" FROM orders WHERE order_id = 'A2'")[0][0]
    assert from_micros(at).date().isoformat() == "2025-01-05", "31/12 shows that the day comes first"
