import { readFileSync } from 'node:fs'

// Only the types of the contract: methods are written by openapi/sdk/typescript, with
// the names that all SDKs share. Failures are a NextermError.
const read = (name) => JSON.parse(readFileSync(new URL(`../../gen/${name}`, import.meta.url), 'utf8'))
// What is published has null among the values of an enum, but not what SDKs are to call a schema.
const { openapi, info, components } = read('openapi.json')
const { Error, ...schemas } = components.schemas
const names = read('contract.json').components.schemas

export default {
  input: { openapi, info, paths: {}, components: { schemas } },
  output: { path: 'src', clean: false, entryFile: false },
  logs: { file: false, level: 'warn' },
  plugins: [{ name: '@hey-api/typescript', case: 'preserve', definitions: { name: (name) => names[name]?.['x-sdk-name'] ?? name } }],
}
