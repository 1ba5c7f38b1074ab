/** What a call can throw. Everything derives from RoadbedError. */

import type { ProblemCode } from "./problems.js";

/** Any failure of a call. */
export class RoadbedError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No whole answer came: refused, reset, cut short or not JSON. `cause` holds the reason if fetch gave one. */
export class APIConnectionError extends RoadbedError {}

/** No answer within the timeout of an attempt. */
export class APITimeoutError extends APIConnectionError {}

/** 304: what you have, by the `If-None-Match` that you sent, is current. `etag` is its version. */
export class NotModified extends RoadbedError {
  readonly etag: string;
  readonly response: Response;

  constructor(response: Response) {
    const etag = response.headers.get("etag") ?? "";
    super(`304: it is still at version ${etag}.`);
    this.etag = etag;
    this.response = response;
  }
}

/** What is wrong with one field, header or parameter. `name` is a JSON pointer for a field. */
export interface FieldError {
  code: string;
  message: string;
  type: string;
  name: string;
}

/** The service answered with a problem (RFC 9457). `code` is stable; `docUrl` opens the page about it. */
export class APIError extends RoadbedError {
  readonly status: number;
  readonly code: ProblemCode | "unknown";
  readonly title: string;
  readonly detail: string;
  readonly docUrl: string;
  readonly requestId: string;
  readonly errors: FieldError[];
  readonly retryAfterS: number | null;
  readonly response: Response;

  constructor(response: Response, problem: Record<string, unknown>) {
    const code = text(problem.code) || "unknown";
    const title = text(problem.title) || response.statusText;
    const requestId = text(problem.request_id) || (response.headers.get("request-id") ?? "");
    super(`${response.status} ${code}: ${text(problem.detail) || title} (request ${requestId || "?"})`);
    this.status = response.status;
    this.code = code as ProblemCode;
    this.title = title;
    this.detail = text(problem.detail);
    this.docUrl = text(problem.type);
    this.requestId = requestId;
    this.errors = fieldErrors(problem.errors);
    this.retryAfterS = retryAfterS(response);
    this.response = response;
  }
}

/** Whether this is the problem of that code. */
export function isProblem(error: unknown, code: ProblemCode): error is APIError {
  return error instanceof APIError && error.code === code;
}

/** Seconds of the Retry-After header, which may be a number or a date; null when there is none that can be read. */
export function retryAfterS(response: Response): number | null {
  const given = response.headers.get("retry-after")?.trim() ?? "";
  const seconds = /^[0-9]+$/.test(given) ? Number(given) : (Date.parse(given) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(0, seconds);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function fieldErrors(given: unknown): FieldError[] {
  if (!Array.isArray(given)) return [];
  return given.map((error) => ({
    code: text(error?.code),
    message: text(error?.message),
    type: text(error?.target?.type),
    name: text(error?.target?.name),
  }));
}
