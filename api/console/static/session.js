// The key that calls are made with. It is kept in this tab alone, until the tab is closed, and stands in no address.

const KEY = "roadbed.key";
const CLAIM_UNTIL = "roadbed.claim_until";
const SHAPE = /^rb_(live|test)_[0-9A-Za-z]{36}$/;

export function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Whether the text can be a key at all. Whether it is one is for the API to say. */
export function fits(text) {
  return SHAPE.test(text);
}

export function use(text, claimUntil = "") {
  sessionStorage.setItem(KEY, text);
  sessionStorage.setItem(CLAIM_UNTIL, claimUntil);
}

export function forget() {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(CLAIM_UNTIL);
}

/** `live`, `test`, or nothing without a key. */
export function mode() {
  return SHAPE.exec(key())?.[1] ?? "";
}

/** When a sandbox that nobody signed up for is deleted. */
export function claimUntil() {
  return sessionStorage.getItem(CLAIM_UNTIL) ?? "";
}

/** Enough of the key to tell it from another. */
export function masked() {
  return key() ? `${key().slice(0, 8)}…${key().slice(-4)}` : "";
}
