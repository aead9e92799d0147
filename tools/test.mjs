// Runs the compiled tests with node's own runner. `npm test -- image serve` keeps the files whose path contains a word.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const words = process.argv.slice(2)
const files = readdirSync(join(root, 'dist/test'), { recursive: true })
  .filter(name => name.endsWith('.test.js') && (words.length === 0 || words.some(word => name.includes(word))))
  .map(name => join('dist/test', name))
  .sort()
if (files.length === 0) {
  console.error(`no test file matches ${words.join(' ') || 'dist/test'}`)
  process.exit(1)
}
const done = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...files], { cwd: root, stdio: 'inherit' })
process.exit(done.status ?? 1)
