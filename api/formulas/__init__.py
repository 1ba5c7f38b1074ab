"""The arithmetic of the product: numbers in, numbers out. It knows no row and no schema.

Every file holds one method and cites where its formula comes from. Fractions are exact inside, and rounded once.
"""
