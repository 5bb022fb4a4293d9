import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import test from 'node:test'
import { Nexterm, NextermError } from '@nexterm-go/sdk'
import { another, client, forward, url } from './server.js'

test('a server that is killed', async (t) => {
  const killed = await another()
  const targets = [url, killed.url, (await another()).url]
  let turn = 0
  // It never learns which one is dead.
  const proxy = createServer((incoming, response) => forward(incoming, response, targets[turn++ % targets.length]))
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  // By chance, a call can meet the dead one several times in a row.
  const steady = new Nexterm(`http://127.0.0.1:${proxy.address().port}`, { token: client.token, retries: 8 })
  const end = Date.now() + 3000
  const written = []
  let reads = 0
  let refused = 0
  const read = async () => {
    for (; Date.now() < end; reads++) await steady.entries.list()
  }
  const write = async (worker) => {
    for (let i = 0; Date.now() < end; i++) {
      const name = `${worker}-${i}`
      try {
        await steady.snippets.create({ name, command: 'true' })
        written.push(name)
      } catch (error) {
        // Nobody knows whether it was made, so that it is the caller's to repeat.
        assert.ok(error instanceof NextermError && error.kind === 'Unavailable', error)
        refused++
      }
    }
  }
  setTimeout(killed.kill, 1000)
  await Promise.all([read(), read(), write(1), write(2)])
  const stored = (await client.snippets.list()).map(({ name }) => name)
  assert.equal(new Set(stored).size, stored.length)
  for (const name of written) assert.ok(stored.includes(name), name)
  assert.ok(reads > 0 && refused > 0, `${reads} reads, ${refused} changes refused`)
})
