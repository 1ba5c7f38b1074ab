"""Numbers on the way in and out of a formula: exact fractions inside, one rounding at the end."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

Number = int | float | str | Decimal | Fraction

PLACES = 6
MAX_DIGITS = 40
MAX_EXPONENT = 30
_MAX = 10**MAX_EXPONENT


class FormulaError(ValueError):
    """An input that a formula cannot use. `field` names it, the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message

    def __reduce__(self) -> tuple[type["FormulaError"], tuple[str, str]]:
        # An exception with two arguments does not survive pickling by itself, and test workers pickle them.
        return type(self), (self.field, self.message)


def exact(value: Number, field: str) -> Fraction:
    """The number as an exact fraction. A float is read as it prints, so 0.1 is one tenth.

    Raises FormulaError for what is not a finite number, and for one of more than 40 digits or beyond 1e±30: those are
    mistakes, and a short text such as "1e999999999" would otherwise fill the memory.

    >>> exact(0.1, "weight")
    Fraction(1, 10)
    """
    if isinstance(value, Fraction):
        return value
    if type(value) is int and -_MAX < value < _MAX:
        return Fraction(value)
    decimal = _decimal(value, field)
    _, digits, exponent = decimal.as_tuple()
    if not isinstance(exponent, int):
        raise FormulaError(
            field, f"{field} must be a finite number, and {_shown(value)} is not. Send digits such as 12 or 0.5."
        )
    if decimal and (len(digits) > MAX_DIGITS or abs(exponent) > MAX_DIGITS or abs(decimal.adjusted()) > MAX_EXPONENT):
        raise FormulaError(field, f"{field} has too many digits. Send at most {MAX_DIGITS}, between 1e-30 and 1e30.")
    return Fraction(*decimal.as_integer_ratio()) if decimal else Fraction(0)


def within(
    value: Number, field: str, low: int, high: int, *, above_low: bool = False, unit: str = "", hint: str = ""
) -> Fraction:
    """The exact number, when it lies from `low` to `high` (above `low` when `above_low`), otherwise FormulaError.

    >>> within("0.5", "effort", 0, 100, above_low=True)
    Fraction(1, 2)
    """
    number = exact(value, field)
    # Whole numbers are compared, not fractions, since every row of an import comes by: 45 µs a RICE score became 12.
    part, whole = number.numerator, number.denominator
    if low * whole < part <= high * whole or (part == low * whole and not above_low):
        return number
    least = f"more than {low}" if above_low else f"at least {low}"
    bounds = f"{field} must be {least} and at most {high}{unit and ' ' + unit}, and {_shown(value)} is not."
    raise FormulaError(field, f"{bounds} {hint}".rstrip())


def rounded(value: Fraction, places: int = PLACES) -> Decimal:
    """Round once, half to even, to `places` decimals, with trailing zeros trimmed and never in scientific notation.

    >>> rounded(Fraction(12000)), rounded(Fraction(2, 3)), rounded(Fraction(1, 8), 2)
    (Decimal('12000'), Decimal('0.666667'), Decimal('0.12'))
    """
    scaled = _half_even(value.numerator * 10**places, value.denominator)
    while places and scaled % 10 == 0:
        scaled //= 10
        places -= 1
    return Decimal(f"{scaled}E-{places}")


def _half_even(part: int, whole: int) -> int:
    quotient, rest = divmod(part, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))


def _decimal(value: object, field: str) -> Decimal:
    if isinstance(value, str) and len(value) <= 2 * MAX_DIGITS:
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            hint = "Leave out the thousands separator." if "," in value else "Send digits such as 12 or 0.5."
            raise FormulaError(field, f"{field} must be a number, and {_shown(value)} is not. {hint}") from None
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 4 * MAX_EXPONENT:
        return Decimal(value)
    raise FormulaError(field, f"{field} must be a number, and {_shown(value)} is not. Send digits such as 12 or 0.5.")


def _shown(value: object) -> str:
    # A number of a million digits must not come back whole in a message, nor cost the time to print it.
    if isinstance(value, int) and value.bit_length() > 4 * MAX_EXPONENT:
        return "that"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_DIGITS else text[:MAX_DIGITS] + "…"
