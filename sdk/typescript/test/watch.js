import assert from 'node:assert/strict'
import test from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { Nexterm } from '@nexterm-go/sdk'
import { client, password, url, username } from './server.js'

/** A server of the test's own. */
async function serve(t, accept) {
  let connections = 0
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (socket, request) => accept(socket, connections++, request))
  t.after(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${server.address().port}`
}

const list = (type, data = []) => JSON.stringify({ type, data })

test('all lists come, and each again when it changes', { timeout: 60_000 }, async () => {
  const types = []
  for await (const update of client.watch()) {
    types.push(update.type)
    if (types.length === 5) await client.snippets.create({ name: 'uptime', command: 'uptime' })
    if (update.type === 'SNIPPETS' && update.data.some(({ name }) => name === 'uptime')) break
  }
  assert.deepEqual(types.slice(0, 5), ['ENTRIES', 'IDENTITIES', 'SNIPPETS', 'CONNECTIONS', 'LIVE_SESSIONS'])
})

test('watching ends with the session', async () => {
  const other = await Nexterm.login(url, username, password, { WebSocket })
  await assert.rejects(async () => {
    for await (const { type } of other.watch()) if (type === 'LIVE_SESSIONS') await other.logout()
  }, { kind: 'Unauthorized', operation: 'watch' })
  await assert.rejects(other.watch().next(), { kind: 'Unauthorized' })
  await assert.rejects(new Nexterm(url, { WebSocket }).watch().next(), { kind: 'Unauthorized' })
})

test('watching ends with the signal', async () => {
  const stop = new AbortController()
  await assert.rejects(async () => {
    for await (const { type } of client.watch({ signal: stop.signal })) if (type === 'LIVE_SESSIONS') setTimeout(() => stop.abort(), 50)
  }, { name: 'AbortError' })
  await assert.rejects(client.watch({ signal: stop.signal }).next(), { name: 'AbortError' })
})

test('connections that break off are opened again', async (t) => {
  const url = await serve(t, (socket, before, request) => {
    assert.equal(request.url, '/api/ws/state?sessionToken=abc')
    socket.send(list('SNIPPETS', [{ id: before }]))
    if (before === 1) socket.close(1013, 'later')
    else socket.terminate()
  })
  const ids = []
  for await (const { data } of new Nexterm(url, { token: 'abc', WebSocket }).watch()) if (ids.push(data[0].id) === 3) break
  assert.deepEqual(ids, [0, 1, 2])
})

test('what is not taken is kept once', async (t) => {
  const url = await serve(t, (socket) => {
    for (let i = 0; i < 1000; i++) socket.send(list('SNIPPETS', [{ id: i }]))
    socket.send(list('IDENTITIES'))
    // The account's sessions come again when nothing else does.
    for (let i = 0; i < 3; i++) socket.send(list('CONNECTIONS'))
    socket.send(list('LIVE_SESSIONS'))
  })
  const updates = []
  for await (const update of new Nexterm(url, { WebSocket }).watch()) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    updates.push(update)
    if (update.type === 'LIVE_SESSIONS') break
  }
  assert.ok(updates.length < 100)
  assert.equal(updates.filter(({ type }) => type === 'SNIPPETS').at(-1).data[0].id, 999)
  assert.equal(updates.filter(({ type }) => type === 'CONNECTIONS').length, 1)
})

test('a server that falls silent is left', async (t) => {
  const asked = []
  const url = await serve(t, (socket, before) => {
    socket.on('message', (data) => asked.push(JSON.parse(data)))
    socket.send(list('SNIPPETS', [{ id: before }]))
  })
  const feed = new Nexterm(url, { WebSocket }).watch()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  await feed.next()
  const next = feed.next()
  t.mock.timers.tick(60_000)
  t.mock.timers.tick(60_000)
  t.mock.timers.reset()
  assert.equal((await next).value.data[0].id, 1)
  assert.deepEqual(asked, [{ action: 'refresh', type: 'CONNECTIONS' }])
  await feed.return()
})

test('what is no feed', async (t) => {
  for (const message of ['hunter2', '{"data": "hunter2"}', '{"type": "ENTRIES", "data": "hunter2"}']) {
    const url = await serve(t, (socket) => {
      socket.send(list('TOMORROW', {}))
      socket.send(message)
    })
    await assert.rejects(new Nexterm(url, { WebSocket }).watch().next(), (error) => error.kind === 'Unexpected' && !error.message.includes('hunter2'))
  }
  await assert.rejects(new Nexterm('http://127.0.0.1:1', { WebSocket, retries: 1 }).watch().next(), { kind: 'Unavailable' })
  if (!globalThis.WebSocket) await assert.rejects(new Nexterm(url).watch().next(), { kind: 'BadRequest', message: /Node 22/ })
})
