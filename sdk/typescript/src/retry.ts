import { NextermError, type ErrorKind } from './error.js'

/** A failed attempt, and which calls may be repeated after it. */
export interface Retry {
  error: NextermError
  again: 'always' | 'reads' | 'never'
}

const kinds: Record<number, ErrorKind> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  413: 'BadRequest',
  415: 'BadRequest',
  429: 'TooManyRequests',
  502: 'Unavailable',
  503: 'Unavailable',
  504: 'Unavailable',
}

/** An answer outside 2xx: the server's, in JSON, or that of something in between. */
export function refused(operation: string, response: Response, answer: unknown, type = 'of another form'): Retry {
  const told = typeof answer === 'object' && answer !== null && 'message' in answer && typeof answer.message === 'string' ? answer.message : undefined
  let kind = kinds[response.status] ?? 'Unexpected'
  if (told === undefined && kind !== 'Unavailable') kind = 'Unexpected'
  const message = told ?? `the answer is ${response.status} and ${type}; is there a proxy in between?`
  const error = new NextermError(kind, message, { operation, response })
  return { error, again: response.status === 429 ? 'always' : kind === 'Unavailable' ? 'reads' : 'never' }
}

/** What answers does not speak this API. */
export function unexpected(operation: string, response: Response, message: string): Retry {
  return { error: new NextermError('Unexpected', message, { operation, response }), again: 'never' }
}

/** The longest Retry-After that is waited for, in seconds; the caller decides about more. */
const patience = 30

/**
 * After how many milliseconds a call is repeated, if at all. What changes something is
 * repeated only when it certainly has not been done: nothing was sent, or the server
 * has turned it away.
 */
export function nextAttempt({ error, again }: Retry, method: string, attempt: number, retries: number): number | undefined {
  if (attempt >= retries || error.retryAfter > patience) return undefined
  if (again === 'never' || (again === 'reads' && method !== 'GET')) return undefined
  return Math.max(pause(attempt), error.retryAfter * 1000)
}

/** Milliseconds, longer with each attempt, and random, so that clients that failed together do not come back together. */
export function pause(attempt: number): number {
  const longest = Math.min(100 * 2 ** attempt, 5000)
  return longest / 2 + (Math.random() * longest) / 2
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stop = () => {
      clearTimeout(timer)
      reject(signal!.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
