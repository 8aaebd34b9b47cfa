"""Load orders and their lines, products, into the lake: set-based, with what does not fit set apart."""

# ruff: noqa: S608 - the queries are put together from names of this module; values stand in tables

from __future__ import annotations

import pyarrow as pa

from memory.importing.job import Job, Outcome
from memory.lake import LakeTable

_NOT_BOUGHT = (
    "cancelled",
    "canceled",
    "failed",
    "refunded",
    "voided",
    "trash",
    "pending",
    "pending payment",
    "checkout-draft",
    "draft",
    "expired",
    "abandoned",
    "annulée",
    "annulee",
    "annulé",
    "annule",
    "remboursée",
    "remboursee",
    "remboursé",
    "échouée",
    "echouee",
    "en attente de paiement",
)
_UNKNOWN_CONTACT = "no contact with this id is known; import the contacts first"
_HAS_ITEM = "(r.product_id IS NOT NULL OR product_name IS NOT NULL OR amount IS NOT NULL OR unit_price IS NOT NULL)"
_PAID = "coalesce(amount, unit_price * coalesce(quantity, 1) - coalesce(line_discount, 0))"


def load_orders(job: Job) -> Outcome:
    """Orders, one row each or several rows with a line each; people who order become contacts."""
    outcome = Outcome()
    words = ", ".join(f"'{word}'" for word in _NOT_BOUGHT)
    _refuse_torn_orders(job)
    # The first row of an order speaks for all of them.
    job.sql.execute(
        f"""CREATE TEMP TABLE spoken AS SELECT order_id,
            arg_min("at", line) AS "at", arg_min(total, line) AS total, arg_min(discount, line) AS discount,
            arg_min(currency, line) AS currency, arg_min(email, line) AS email, arg_min(contact, line) AS contact,
            bool_or(coalesce(lower(status) IN ({words}) OR lower(payment) IN ({words})
                OR cancelled_at IS NOT NULL, false)) AS not_bought
        FROM rows GROUP BY order_id"""
    )
    source = job.source.replace("'", "''")
    taken_back = _take_back(job, outcome, source)
    job.skip(
        "SELECT line FROM rows JOIN spoken USING (order_id) WHERE not_bought",
        "the order was cancelled, failed, unpaid or fully refunded",
    )
    if not (job.mapping.has("product_id") or job.mapping.has("product_name") or job.mapping.has("unit_price")):
        job.refuse_second_meanings(["order_id"])
    for name in ("at", "total", "discount", "contact", "email"):
        cure = "; where it is of the line, map the column: COLUMN=amount" if name == "total" else ""
        job.refuse(
            f"SELECT line FROM rows r JOIN spoken s USING (order_id) WHERE r.{name} <> s.{name} ORDER BY line",
            f"an earlier row of the same order says something else here{cure}",
            name,
        )
    job.refuse(
        "SELECT line FROM rows JOIN spoken s USING (order_id) WHERE s.at IS NULL ORDER BY line",
        "no row of this order says when it was made",
        "at",
    )
    job.refuse(
        f"SELECT line FROM rows JOIN spoken s USING (order_id) WHERE s.total IS NULL AND {_PAID} IS NULL ORDER BY line",
        "neither the order nor its lines say an amount",
        "total",
    )
    job.refuse(
        f"SELECT line FROM rows r JOIN orders o USING (order_id) WHERE o.source <> '{source}' ORDER BY line",
        "another system already has an order with this id",
        "order_id",
    )
    job.resolve(create_for="email anonymous", known_id_reason="")
    job.refuse(
        """SELECT r.line FROM rows r JOIN people p USING (line)
        WHERE p.contact_id IS NULL AND r.contact IS NOT NULL AND r.email IS NULL ORDER BY line""",
        _UNKNOWN_CONTACT,
        "contact",
    )
    job.sql.execute(
        f"""CREATE TEMP TABLE paid AS
        SELECT r.order_id, max(p.contact_id) AS contact_id, min(s.at) AS "at",
            coalesce(min(s.total), greatest(
                sum(coalesce({_PAID}, 0))::BIGINT - coalesce(min(s.discount), 0), 0)) AS total,
            coalesce(min(s.discount), sum(coalesce(r.line_discount, 0))::BIGINT) AS discount
        FROM rows r JOIN spoken s USING (order_id) LEFT JOIN people p USING (line) GROUP BY r.order_id"""
    )
    written, _ = job.upsert(
        LakeTable.ORDERS,
        f"""SELECT order_id, contact_id, "at", total AS total_cents, discount AS discount_cents,
            '{job.settings.currency}' AS currency, '{source}' AS source FROM paid""",
    )
    outcome.add("orders", written)
    changed_lines, _ = job.upsert(
        LakeTable.LINES,
        f"""SELECT r.order_id, {_line_number()} AS line, o.contact_id, o.at,
            coalesce(r.product_id, r.product_name, '') AS product_id,
            coalesce(r.category, p.category, '') AS category, coalesce(r.quantity, 1) AS quantity,
            greatest({_PAID}, 0) AS amount_cents,
            coalesce(r.line_discount, 0) AS discount_cents
        FROM rows r JOIN paid o USING (order_id) LEFT JOIN products p ON p.product_id = r.product_id
        WHERE {_HAS_ITEM} AND {_PAID} IS NOT NULL""",
    )
    outcome.add("lines", changed_lines)
    outcome.rows_written = max(written, changed_lines) + taken_back
    return outcome


def _take_back(job: Job, outcome: Outcome, source: str) -> int:
    """Orders of this source that were on record and turned out not to be bought leave it; returns their rows."""
    orders = "SELECT order_id FROM spoken JOIN orders o USING (order_id) WHERE not_bought AND o.source = '{}'"
    gone = [row[0] for row in job.sql.execute(orders.format(source)).fetchall()]
    if not gone:
        return 0
    # The lines first: after a stop between the two, the order is still found.
    for table in (LakeTable.LINES, LakeTable.ORDERS):
        job.lake.remove(table, "order_id", gone)
    outcome.add("orders", len(gone))
    outcome.notes.append(f"{len(gone)} orders were cancelled or refunded since, and are taken off the record.")
    job.sql.register("gone", pa.table({"order_id": gone}))
    rows = job.sql.execute("DELETE FROM rows WHERE order_id IN (SELECT order_id FROM gone)").fetchall()
    job.sql.unregister("gone")
    return int(rows[0][0])


def load_lines(job: Job) -> Outcome:
    """Order lines; who bought and when is taken from the order where the line does not say it."""
    outcome = Outcome()
    if job.mapping.has("position"):
        job.refuse_second_meanings(["order_id", "position"])
    job.resolve(create_for="")
    job.refuse(
        """SELECT r.line FROM rows r LEFT JOIN orders o USING (order_id)
        WHERE o.order_id IS NULL AND r.at IS NULL ORDER BY r.line""",
        "no order with this id is known; import the orders first",
        "order_id",
    )
    job.refuse(
        """SELECT r.line FROM rows r JOIN people p USING (line) LEFT JOIN orders o USING (order_id)
        WHERE p.contact_id IS NULL AND o.order_id IS NULL ORDER BY r.line""",
        _UNKNOWN_CONTACT,
        "contact" if job.mapping.has("contact") else "email",
    )
    job.refuse(f"SELECT line FROM rows WHERE {_PAID} IS NULL ORDER BY line", "the line says no amount", "amount")
    job.refuse(f"SELECT line FROM rows WHERE {_PAID} < 0 ORDER BY line", "the amount is negative", "amount")
    job.refuse(
        "SELECT line FROM rows WHERE product_id IS NULL AND product_name IS NULL ORDER BY line",
        "the line names no product",
        "product_id",
    )
    written, _ = job.upsert(
        LakeTable.LINES,
        f"""SELECT r.order_id, {_line_number()} AS line, coalesce(p.contact_id, o.contact_id) AS contact_id,
            coalesce(r.at, o.at) AS "at", coalesce(r.product_id, r.product_name) AS product_id,
            coalesce(r.category, c.category, '') AS category, coalesce(r.quantity, 1) AS quantity,
            {_PAID} AS amount_cents, coalesce(r.line_discount, 0) AS discount_cents
        FROM rows r LEFT JOIN people p USING (line) LEFT JOIN orders o USING (order_id)
        LEFT JOIN products c ON c.product_id = r.product_id""",
    )
    outcome.add("lines", written)
    outcome.rows_written = written
    return outcome


def load_products(job: Job) -> Outcome:
    """Products; a variant takes from its parent what only the parent's row says."""
    outcome = Outcome()
    job.skip(
        "SELECT line FROM rows WHERE product_id IS NULL AND handle IS NOT NULL AND name IS NULL AND price IS NULL",
        "the row only adds a picture",
    )
    _fold_variants(job)
    job.sql.execute("UPDATE rows SET product_id = handle WHERE product_id IS NULL")
    job.refuse("SELECT line FROM rows WHERE product_id IS NULL ORDER BY line", "the product has no id", "product_id")
    job.refuse_second_meanings(["product_id"])
    job.sql.execute(
        """CREATE TEMP TABLE parents AS SELECT handle, arg_min(name, line) AS name, arg_min(category, line) AS category,
            arg_min(product_type, line) AS product_type, arg_min(department, line) AS department,
            arg_min(brand, line) AS brand, arg_min(image_url, line) AS image_url
        FROM rows WHERE handle IS NOT NULL GROUP BY handle"""
    )
    written, _ = job.upsert(
        LakeTable.PRODUCTS,
        """WITH filled AS (
            SELECT r.product_id, r.price, r.cost, r.url, r.stock, coalesce(r.name, p.name, '') AS name,
                coalesce(r.category, p.category, '') AS path,
                coalesce(r.product_type, p.product_type, '') AS product_type,
                coalesce(r.department, p.department, '') AS department, coalesce(r.brand, p.brand, '') AS brand,
                coalesce(r.image_url, p.image_url, '') AS images
            FROM rows r LEFT JOIN parents p ON p.handle = r.handle
        )
        SELECT product_id, name,
            CASE WHEN product_type <> '' THEN product_type
                 WHEN contains(path, ' > ') THEN trim(string_split(string_split(path, ',')[1], ' > ')[-1])
                 ELSE path END AS category,
            CASE WHEN department <> '' THEN department
                 WHEN contains(path, ' > ') THEN trim(string_split(path, ' > ')[1]) ELSE '' END AS department,
            brand, price AS price_cents, cost AS cost_cents, coalesce(url, '') AS url,
            trim(string_split(images, ',')[1]) AS image_url, stock AS stock_units
        FROM filled""",
    )
    outcome.add("products", written)
    outcome.rows_written = written
    if written:
        outcome.add("lines", _relabel_lines(job))
    return outcome


def _fold_variants(job: Job) -> None:
    """Variants without an id or a name of their own are the product of their handle, and there are as many as of all.

    Where all that are counted are sold out, and of others nothing is known, nothing is known of the product.
    """
    job.sql.execute(
        """CREATE TEMP TABLE variants AS SELECT line, stock,
            first_value(line) OVER (PARTITION BY handle ORDER BY line) AS first_line
        FROM rows WHERE product_id IS NULL AND handle IN (SELECT handle FROM rows WHERE name IS NOT NULL)
        QUALIFY name IS NULL OR line = first_line"""
    )
    job.sql.execute(
        """UPDATE rows SET stock = s.units FROM (
            SELECT first_line, CASE WHEN count(stock) = count(*) OR sum(stock) > 0 THEN sum(stock) END AS units
            FROM variants GROUP BY first_line
        ) s WHERE line = s.first_line"""
    )
    job.skip(
        "SELECT line FROM variants WHERE line <> first_line",
        "a variant without an id is its product, and its stock is counted there",
    )


def _relabel_lines(job: Job) -> int:
    """Lines that came before their products learn their category."""
    fresh = job.lake.connect().con
    rows = fresh.sql(
        """SELECT l.* REPLACE (p.category AS category) FROM lines l JOIN products p USING (product_id)
        WHERE l.category = '' AND p.category <> ''"""
    ).to_arrow_table()
    return job.lake.upsert(LakeTable.LINES, rows).updated if rows.num_rows else 0


def _refuse_torn_orders(job: Job) -> None:
    """Where the total is the sum of the lines, an order with an unreadable line has no total."""
    column = job.column_of("order_id")
    torn = [row.raw[column] for row in job.bad if row.raw.get(column)]
    if torn:
        job.sql.register("torn", pa.table({"order_id": [one.strip().lstrip("'") for one in torn]}))
        job.refuse(
            "SELECT line FROM rows WHERE order_id IN (SELECT order_id FROM torn) AND order_id NOT IN "
            "(SELECT order_id FROM rows WHERE total IS NOT NULL) ORDER BY line",
            "another line of this order cannot be read, so its total is not known",
            "order_id",
        )


def _line_number() -> str:
    return "coalesce(r.position, row_number() OVER (PARTITION BY r.order_id ORDER BY r.line))::INTEGER"
