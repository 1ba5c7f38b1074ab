"""Ids are written two characters at a time: roadbed_id stands in every answer, and takes a third of the time."""

from alembic import op

revision = "0027"
down_revision = "0026"

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = "".join(high + low for high in ALPHABET for low in ALPHABET)


def upgrade() -> None:
    # As bytes: in text Postgres looks for the n-th character from the beginning.
    pairs = " || ".join(f"substring('{PAIRS}'::bytea FROM (({ten}) * 2 + 1)::int FOR 2)" for ten in _groups_of_ten())
    _write(f"convert_from({pairs}, 'SQL_ASCII')")


def downgrade() -> None:
    _write(" || ".join(f"substr('{ALPHABET}', ({five})::int + 1, 1)" for five in _groups_of_five()))


def _write(characters: str) -> None:
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION roadbed_id(prefix text, id uuid) RETURNS text
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            high int8 := substr(uuid_send(id), 1, 8)::int8;
            low int8 := substr(uuid_send(id), 9, 8)::int8;
        BEGIN
            RETURN prefix || '_' || {characters};
        END $$
        """
    )


def _groups_of_ten() -> list[str]:
    """The 13 groups of the id's 128 bits, of two halves of 64; the first group has eight."""
    across = "((high << 4) | ((low >> 60) & 15)) & 1023"
    highs = [f"(high >> {shift}) & 1023" for shift in range(46, 0, -10)]
    return ["(high >> 56) & 255", *highs, across, *(f"(low >> {shift}) & 1023" for shift in range(50, -1, -10))]


def _groups_of_five() -> list[str]:
    """As the function was made by 0001: 26 groups, the first of three bits."""
    highs = [f"(high >> {shift}) & 31" for shift in range(56, 0, -5)]
    across = "((high & 1) << 4) | ((low >> 60) & 15)"
    return ["(high >> 61) & 7", *highs, across, *(f"(low >> {shift}) & 31" for shift in range(55, -1, -5))]
