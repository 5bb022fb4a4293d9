/**
 * What an error is about. `Unavailable`: the server cannot be reached, or cannot serve
 * for now. `Unexpected`: what answers does not speak this API, as a proxy's page or a
 * redirect, or breaks off.
 */
export type ErrorKind =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'Conflict'
  | 'TooManyRequests'
  | 'Unavailable'
  | 'Unexpected'

/**
 * What every call fails with, but for a signal that aborts it, whose reason is thrown.
 * It never has a secret in it.
 */
export class NextermError extends Error {
  readonly kind: ErrorKind
  /** The method that failed, such as `entries.create`. */
  readonly operation: string | undefined
  /** The answer's, 0 without an answer. */
  readonly status: number
  /** Finds the request in the server's log, if it got there. */
  readonly requestId: string | undefined
  /** How many seconds the server wants to be left alone, 0 if it does not say. */
  readonly retryAfter: number

  constructor(kind: ErrorKind, message: string, details: { operation?: string; response?: Response | undefined } = {}) {
    super(message)
    this.kind = kind
    this.operation = details.operation
    this.status = details.response?.status ?? 0
    this.requestId = details.response?.headers.get('X-Request-Id') ?? undefined
    this.retryAfter = seconds(details.response?.headers.get('Retry-After'))
  }
}

// On the prototype, printing an error does not repeat it.
NextermError.prototype.name = 'NextermError'

/** Seconds, or a time (RFC 9110, section 10.2.3). */
function seconds(header: string | null | undefined): number {
  if (!header) return 0
  const wait = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Math.max(wait || 0, 0)
}
