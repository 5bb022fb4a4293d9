// Compiled, never run: what callers may write, and what the compiler has to refuse.
import { Nexterm, NextermError, type Entry, type EntryNode, type User } from '@nexterm-go/sdk'

const client = new Nexterm(new URL('https://nexterm.example.com'), { token: 'x', fetch, WebSocket })
const entry: Entry = await client.entries.get(1, { signal: AbortSignal.timeout(5) })
const nothing: void = await client.entries.update(entry.id, { name: entry.name, icon: null, folderId: null })
const picture: Blob = await client.account.getAvatar(1)
for await (const user of client.users.all({ limit: 5 })) user satisfies User
for await (const update of client.watch()) if (update.type === 'ENTRIES') update.data satisfies EntryNode[]
const session = await client.sessions.login({ username: 'a', password: 'b' })
if ('token' in session) session.token satisfies string
try {
  await Nexterm.login('https://nexterm.example.com', 'a', 'b', { totp: () => prompt('Code') ?? '', retries: 0 })
} catch (error) {
  if (error instanceof NextermError && error.kind === 'NotFound') error.status satisfies number
}

// @ts-expect-error: no such member
await client.entries.create({ name: 'x', config: {}, colour: 'red' })
// @ts-expect-error: a name is needed
await client.entries.create({ config: {} })
// @ts-expect-error: a name cannot be null
await client.entries.update(1, { name: null })
// @ts-expect-error: no such protocol
await client.entries.create({ name: 'x', config: { protocol: 'gopher' } })
// @ts-expect-error: may be null
entry.icon.length
// @ts-expect-error: an id is needed
await client.entries.get()
// @ts-expect-error: no such kind
new NextermError('Missing', 'x')
export { nothing, picture }
