import { NextermError } from './error.js'
import { nextAttempt, refused, sleep, unexpected, type Retry } from './retry.js'
import { version } from './version.js'

/** How the client reaches the server. */
export interface Options {
  /** The token of a session or an API key. */
  token?: string | undefined
  /** How many times a call is repeated, 4 if it is not given. 0 is never. */
  retries?: number | undefined
  /** Milliseconds that every attempt has, a minute if it is not given. */
  timeout?: number | undefined
  /** Names the program, for the server's list of sessions. Browsers say who they are themselves. */
  userAgent?: string | undefined
  /** Sends requests instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined
  /** Opens the connections of `watch` instead of the global `WebSocket`, which Node has since version 22. */
  WebSocket?: WebSocketConstructor | undefined
}

export type WebSocketConstructor = new (url: string) => {
  addEventListener(type: any, listener: (event: any) => void): void
  send(data: string): void
  close(): void
}

/** What every method takes besides its arguments. */
export interface CallOptions {
  /** Ends the call at once, with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** One operation with its arguments. */
export interface Call {
  name: string
  method: string
  path: string
  query?: object
  /** Sent as JSON, or as it is if it is bytes. */
  body?: unknown
  /** An object, if it is not given. */
  answers?: 'array' | 'boolean' | 'bytes' | 'nothing' | 'text'
  /** The type of an answer that is no JSON. */
  media?: string
  /** The operation is for clients that cannot send headers, and takes none. */
  tokenInQuery?: boolean
  /** How long the operation may take, where that is longer than usual. */
  timeout?: number
  /** Members of the answer that printing leaves out. */
  secrets?: string[]
}

export type Send = <T>(call: Call, options?: CallOptions) => Promise<T>

export class Service {
  constructor(protected readonly send: Send) {}
}

/** The path of an operation, with its parameters escaped. */
export function path(parts: TemplateStringsArray, ...parameters: (number | string)[]): string {
  return String.raw({ raw: parts }, ...parameters.map(encodeURIComponent))
}

/** Walks a paged list. `next` takes the items of a page, and what the query of the next one differs in. */
export async function* pages<Q extends object, P, T>(
  query: Q,
  read: (query: Q) => Promise<P>,
  next: (page: P, query: Q) => [items: T[], change: Partial<Q> | undefined],
): AsyncGenerator<T, void, undefined> {
  for (let more: Q | undefined = query; more; ) {
    const [items, change]: [T[], Partial<Q> | undefined] = next(await read(more), more)
    yield* items
    more = change && { ...more, ...change }
  }
}

/** The way to one server. */
export class Connection {
  readonly base: URL
  readonly options: Options
  // Private, or it would be printed with the client.
  #token: string | undefined

  constructor(url: string | URL, { token, ...options }: Options) {
    this.base = address(url)
    this.options = options
    this.token = token
  }

  get token(): string | undefined {
    return this.#token
  }

  set token(token: string | undefined) {
    if (token !== undefined && !/^[!-~]*$/.test(token)) {
      throw new NextermError('BadRequest', 'the token has characters in it that no token has, such as the end of a line')
    }
    this.#token = token || undefined
  }

  url(path: string, query: object): URL {
    const url = new URL(this.base)
    url.pathname = this.base.pathname.replace(/\/+$/, '') + path
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value))
    }
    return url
  }

  /** Sends a call until it succeeds or need not be tried again. */
  async send<T>(call: Call, { signal }: CallOptions = {}): Promise<T> {
    // It would lead to another operation.
    const none = call.path.slice(1).split('/').find((segment) => ['', '.', '..'].includes(segment))
    if (none !== undefined) throw new NextermError('BadRequest', `there is nothing that can have "${none}" for an id`, { operation: call.name })
    const init = { ...this.#init(call), method: call.method, redirect: 'manual' as const }
    const url = this.url(call.path, call.tokenInQuery ? { token: this.#token } : (call.query ?? {}))
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted()
      const outcome = await this.#attempt(call, url, init, signal)
      if (!('error' in outcome)) return outcome.value as T
      const pause = nextAttempt(outcome, call.method, attempt, this.options.retries ?? 4)
      if (pause === undefined) throw outcome.error
      await sleep(pause, signal)
    }
  }

  #init({ name, body, media, tokenInQuery }: Call): { headers: Record<string, string>; body: BodyInit | null } {
    const headers: Record<string, string> = {}
    if (!('document' in globalThis)) headers['User-Agent'] = this.options.userAgent ?? `nexterm-typescript/${version}`
    if (this.#token && !tokenInQuery) headers['Authorization'] = `Bearer ${this.#token}`
    if (media) headers['Accept'] = media
    if (body === undefined) return { headers, body: null }
    if (body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
      headers['Content-Type'] = 'application/octet-stream'
      return { headers, body: body as BodyInit }
    }
    headers['Content-Type'] = 'application/json'
    try {
      return { headers, body: JSON.stringify(body) }
    } catch {
      throw new NextermError('BadRequest', 'the body cannot be written as JSON', { operation: name })
    }
  }

  async #attempt(call: Call, url: URL, init: RequestInit, signal?: AbortSignal): Promise<{ value: unknown } | Retry> {
    const operation = call.name
    const late = AbortSignal.timeout(Math.max(this.options.timeout ?? 60_000, call.timeout ?? 0))
    const fetch = this.options.fetch ?? globalThis.fetch
    let response: Response | undefined
    let content: unknown
    try {
      response = await fetch(url, { ...init, signal: signal ? AbortSignal.any([signal, late]) : late })
      const foreign = this.#foreign(call, url, response)
      if (foreign) {
        response.body?.cancel().catch(() => {})
        return foreign
      }
      content = call.answers === 'bytes' && response.ok ? await response.blob() : await response.text()
    } catch (cause) {
      signal?.throwIfAborted()
      // It has taken its time already.
      if (late.aborted) return { error: new NextermError('Unavailable', 'the server does not answer in time', { operation, response }), again: 'never' }
      if (response) return { error: new NextermError('Unexpected', 'the answer breaks off', { operation, response }), again: 'reads' }
      return this.#unreachable(operation, cause)
    }
    if (!response.ok || !call.media) content = parsed(String(content))
    if (!response.ok) return refused(operation, response, content)
    if (call.answers === 'nothing') return { value: undefined }
    if (!call.media && formOf(content) !== (call.answers ?? 'object')) {
      return unexpected(operation, response, `the answer is not of the form that the contract says, but ${formOf(content)}`)
    }
    return { value: conceal(content, call.secrets) }
  }

  /** What something else answers than a server of this API. Its text is not read. */
  #foreign({ name: operation, media = 'application/json' }: Call, url: URL, response: Response): Retry | undefined {
    // Browsers do not let a page see where a redirect leads.
    if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
      return unexpected(operation, response, `the server redirects${target(response, url)}; what it leads to may be the address to use`)
    }
    const type = response.headers.get('Content-Type')?.split(';')[0]?.trim().toLowerCase() || 'of no known type'
    if (type === (response.ok ? media : 'application/json')) return undefined
    if (!response.ok) return refused(operation, response, undefined, type)
    return unexpected(operation, response, `the answer is ${type}, not ${media}; is this the address of a nexterm server?`)
  }

  /** Without an answer. Browsers do not tell why, and Node tells it by codes. */
  #unreachable(operation: string, error: unknown): Retry {
    const { code = '', syscall, message } = reason(error)
    const told = code ? `${code}: ${message}` : message
    const why = this.#token ? told.replaceAll(this.#token, '[redacted]') : told
    if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/.test(code)) {
      return { error: new NextermError('Unavailable', `the server's certificate is not to be trusted (${why})`, { operation }), again: 'never' }
    }
    if (/EPROTO|ERR_SSL/.test(code)) {
      return { error: new NextermError('Unexpected', 'the server does not speak TLS; its address may begin with http://', { operation }), again: 'never' }
    }
    const unsent = syscall === 'connect' || syscall === 'getaddrinfo' || code === 'UND_ERR_CONNECT_TIMEOUT'
    return { error: new NextermError('Unavailable', `the server does not answer (${why})`, { operation }), again: unsent ? 'always' : 'reads' }
  }
}

/** The value of a text in JSON; undefined if it is none, because what the parser says would quote the text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function formOf(value: unknown): string {
  return value === undefined ? 'broken JSON' : value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

/** What fetch failed with at first, and of several addresses the first. */
function reason(error: any): { code?: string; syscall?: string; message: string } {
  while (error?.cause ?? error?.errors?.[0]) error = error.cause ?? error.errors[0]
  return { code: error?.code, syscall: error?.syscall, message: String(error?.message ?? error) }
}

function address(url: string | URL): URL {
  const invalid = (message: string) => new NextermError('BadRequest', `the address of the server ${message}`)
  let base: URL
  try {
    base = new URL(url)
  } catch {
    // What cannot be parsed may have a password in it.
    throw invalid('is not a URL such as https://nexterm.example.com')
  }
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw invalid('begins with neither https:// nor http://')
  if (base.username || base.password || base.search || base.hash) throw invalid('has more to it than scheme, host and path')
  return base
}

/** Where a redirect leads, without what may be secret in it. */
function target(response: Response, url: URL): string {
  const location = response.headers.get('Location')
  return location && URL.canParse(location, url) ? ` to ${new URL(location, url).origin}` : ''
}

const print = Symbol.for('nodejs.util.inspect.custom')

/** Has Node print an answer without its secrets. Reading, copying and JSON are as ever. */
function conceal(value: unknown, secrets: string[] = []): unknown {
  if (typeof value !== 'object' || !secrets.some((name) => name in value!)) return value
  return Object.defineProperty(value, print, {
    value(this: Record<string, unknown>) {
      return { ...this, ...Object.fromEntries(secrets.filter((name) => this[name]).map((name) => [name, '[redacted]'])) }
    },
  })
}
