// Structured fields of HTTP (RFC 9651), as far as the limits need them.

/** The items of a structured list, each a name with numbers (RFC 9651). */
export function members(text) {
  const found = new Map();
  for (const [, name, parameters] of text.matchAll(/"([^"]{1,50})"((?:;[a-z]+=[^;,]+)*)/g)) {
    found.set(
      name,
      Object.fromEntries([...parameters.matchAll(/;([a-z]+)=(\d+)/g)].map(([, key, value]) => [key, Number(value)])),
    );
  }
  return found;
}
