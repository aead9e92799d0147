import { readFileSync } from 'node:fs'

/** From `dist/serve/` to the package's own folder. */
const file = new URL('../../package.json', import.meta.url)

export const packageVersion = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
