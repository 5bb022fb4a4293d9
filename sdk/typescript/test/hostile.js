// What is no nexterm server, or one in trouble.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { inspect } from 'node:util'
import { Nexterm, NextermError } from '@nexterm-go/sdk'

const token = 'secretsecretsecret'

/** Serves until the test ends. answer gets request, response and how many came before. */
async function serve(t, answer, make = createServer) {
  let requests = 0
  const server = make((request, response) => answer(request, response, requests++))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${server.address().port}`, requests: () => requests }
}

async function fails(call, expected) {
  const error = await call.then(() => assert.fail('succeeds'), (error) => error)
  assert.ok(error instanceof NextermError, inspect(error))
  for (const [name, value] of Object.entries(expected)) {
    if (value instanceof RegExp) assert.match(error[name], value)
    else assert.equal(error[name], value, `${name} of ${inspect(error)}`)
  }
  for (const secret of [token, 'hunter2']) assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(secret))
  return error
}

const json = (response, status, body, headers = {}) =>
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))

test('a wrong address is refused before anything is sent', () => {
  for (const url of ['', 'nexterm.example.com', 'ftp://nexterm.example.com', 'https://ada:hunter2@host', 'https://host?x=hunter2', '/api']) {
    assert.throws(() => new Nexterm(url), (error) => error instanceof NextermError && error.kind === 'BadRequest' && !inspect(error).includes('hunter2'), url)
  }
  assert.throws(() => new Nexterm('https://host', { token: 'a\nb' }), { kind: 'BadRequest' })
})

test('ids that lead elsewhere', async () => {
  const client = new Nexterm('http://127.0.0.1:1', { token })
  for (const id of ['', '.', '..']) await fails(client.connections.get(id), { kind: 'BadRequest', operation: 'connections.get', message: /nothing that can have/ })
})

test('a server that is down', async () => {
  const free = createSocket()
  await new Promise((resolve) => free.listen(0, '127.0.0.1', resolve))
  const { port } = free.address()
  await new Promise((resolve) => free.close(resolve))
  // Nothing was sent, so that a write may be repeated as well.
  const started = Date.now()
  await fails(new Nexterm(`http://127.0.0.1:${port}`, { retries: 2 }).entries.delete(1), { kind: 'Unavailable', status: 0, message: /does not answer.*ECONNREFUSED/ })
  assert.ok(Date.now() - started >= 150)
  await fails(new Nexterm('http://name.invalid', { retries: 0 }).entries.list(), { kind: 'Unavailable', status: 0 })
})

test("a proxy's page", async (t) => {
  const page = (status) => (request, response) => response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end('<html>')
  for (const [status, kind] of [[200, 'Unexpected'], [403, 'Unexpected'], [404, 'Unexpected'], [500, 'Unexpected'], [502, 'Unavailable']]) {
    const { url } = await serve(t, page(status))
    const client = new Nexterm(url, { token, retries: 0 })
    for (const call of [client.entries.list(), client.account.getAvatar(1), client.entries.delete(1)]) {
      await fails(call, { kind, status, message: /text\/html/ })
    }
  }
})

test('an answer of another form', async (t) => {
  for (const [type, body] of [['application/json', '{"id": 1'], ['application/json', ''], ['application/json', 'null'], ['application/json', '[]'],
    ['application/json', '"hunter2"'], ['text/plain', '{}'], ['', '{}']]) {
    const { url } = await serve(t, (request, response) => response.writeHead(200, type && { 'Content-Type': type }).end(body))
    await fails(new Nexterm(url).entries.get(1), { kind: 'Unexpected', status: 200 })
  }
  const { url } = await serve(t, (request, response) => json(response, 200, {}))
  await fails(new Nexterm(url).entries.list(), { kind: 'Unexpected', message: /contract says, but object/ })
  const other = await serve(t, (request, response) => json(response, 404, ['hunter2']))
  await fails(new Nexterm(other.url).entries.list(), { kind: 'Unexpected', status: 404 })
})

test('an answer that breaks off is asked for again, if that changes nothing', async (t) => {
  const broken = (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 1000 }).write('{"id": 1')
    setTimeout(() => response.destroy(), 20)
  }
  const server = await serve(t, (request, response, before) => (before < 2 ? broken(response) : json(response, 200, [])))
  assert.deepEqual(await new Nexterm(server.url).entries.list(), [])
  assert.equal(server.requests(), 3)
  const other = await serve(t, (request, response) => broken(response))
  await fails(new Nexterm(other.url).entries.create({ name: 'x', config: {} }), { kind: 'Unexpected', status: 200, message: /breaks off/ })
  assert.equal(other.requests(), 1)
})

test('a redirect is not followed', async (t) => {
  const thief = await serve(t, (request, response) => json(response, 200, []))
  const { url } = await serve(t, (request, response) => response.writeHead(308, { Location: `${thief.url}/?token=${token}` }).end())
  await fails(new Nexterm(url, { token }).entries.list(), { kind: 'Unexpected', status: 308, message: new RegExp(`redirects to ${thief.url};`) })
  assert.equal(thief.requests(), 0)
})

test('a certificate that nobody signed', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nexterm-sdk-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const goroot = execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim()
  execFileSync('go', ['run', join(goroot, 'src/crypto/tls/generate_cert.go'), '--host', 'localhost'], { cwd: dir, stdio: 'ignore' })
  const tls = { key: readFileSync(join(dir, 'key.pem')), cert: readFileSync(join(dir, 'cert.pem')) }
  const secure = await serve(t, (request, response) => json(response, 200, []), (answer) => createSecureServer(tls, answer))
  await fails(new Nexterm(secure.url.replace('http:', 'https:'), { token }).entries.list(), { kind: 'Unavailable', message: /certificate is not to be trusted \(DEPTH_ZERO/ })
  const plain = await serve(t, (request, response) => json(response, 200, []))
  await fails(new Nexterm(plain.url.replace('http:', 'https:'), { token }).entries.list(), { kind: 'Unexpected', message: /does not speak TLS/ })
  assert.equal(secure.requests() + plain.requests(), 0)
})

test('503 is waited for by reads only', async (t) => {
  const away = (request, response, before) => (before < 2 ? json(response, 503, { code: 503, message: 'away' }) : json(response, 200, []))
  const server = await serve(t, away)
  assert.deepEqual(await new Nexterm(server.url).entries.list(), [])
  const other = await serve(t, away)
  await fails(new Nexterm(other.url).entries.delete(1), { kind: 'Unavailable', status: 503, message: 'away' })
  assert.equal(other.requests(), 1)
  const gone = await serve(t, (request, response) => request.socket.destroy())
  await fails(new Nexterm(gone.url).entries.delete(1), { kind: 'Unavailable', status: 0 })
  assert.equal(gone.requests(), 1)
  await fails(new Nexterm(gone.url, { retries: 1 }).entries.list(), { kind: 'Unavailable', status: 0 })
  assert.equal(gone.requests(), 3)
})

test('429 is waited for as long as the server wishes', async (t) => {
  const limited = (after) => (request, response, before) =>
    before === 0 ? json(response, 429, { code: 429, message: 'slowly' }, { 'Retry-After': after() }) : json(response, 200, { success: true })
  for (const after of [() => '1', () => new Date(Date.now() + 2000).toUTCString()]) {
    const started = Date.now()
    await new Nexterm((await serve(t, limited(after))).url).entries.delete(1)
    assert.ok(Date.now() - started >= 900)
  }
  const server = await serve(t, limited(() => '31'))
  await fails(new Nexterm(server.url).entries.delete(1), { kind: 'TooManyRequests', status: 429, retryAfter: 31, message: 'slowly' })
  assert.equal(server.requests(), 1)
})

test('an abort ends a call at once', async (t) => {
  const { url, requests } = await serve(t, () => {})
  const reason = new Error('enough')
  for (const after of [0, 50]) {
    const stop = new AbortController()
    if (after === 0) stop.abort(reason)
    else setTimeout(() => stop.abort(reason), after)
    const started = Date.now()
    await assert.rejects(new Nexterm(url).entries.list({ signal: stop.signal }), reason)
    assert.ok(Date.now() - started < 5000)
  }
  assert.equal(requests(), 1)
  // Between two attempts, too.
  const busy = await serve(t, (request, response) => json(response, 429, { code: 429, message: 'slowly' }, { 'Retry-After': '20' }))
  await assert.rejects(new Nexterm(busy.url).entries.list({ signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' })
})

test('a server that says nothing', async (t) => {
  const { url, requests } = await serve(t, () => {})
  await fails(new Nexterm(url, { timeout: 100 }).entries.list(), { kind: 'Unavailable', status: 0, message: /in time/ })
  assert.equal(requests(), 1)
})

test("what fetch says has no token in it", async () => {
  const fetch = async (url) => { throw new Error(`request to ${url} failed`) }
  await fails(new Nexterm('http://host', { token, fetch, retries: 0 }).account.getAvatar(1), { kind: 'Unavailable', message: /\[redacted\]/ })
})

test('a body that is no JSON', async () => {
  const body = { name: 'x', config: {} }
  body.config.loop = body
  await fails(new Nexterm('http://host').entries.create(body), { kind: 'BadRequest', operation: 'entries.create' })
})
