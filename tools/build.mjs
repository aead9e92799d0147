// Compiles the TypeScript into dist/ and, unless --quick, bundles the page into dist/page.
// npm hooks never run here (ignore-scripts), so every command that needs a build calls this;
// where no source has changed since the last build it does nothing.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const CODE = /\.(ts|json)$/
const PAGE = /\.(ts|json|html|css|svg|png|jpg|wasm|onnx)$/

build('code', CODE, () => {
  run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json')
  run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.web.json')
  removeOrphans()
})
if (!process.argv.includes('--quick')) {
  build('page', PAGE, () => run('node_modules/vite/bin/vite.js', 'build', '--config', 'web-demo/vite.config.ts', '--logLevel', 'warn'))
}

/** Does `work` unless the sources are those of the last time. */
function build(name, sources, work) {
  const stamp = join(root, 'dist', `.${name}-stamp`)
  const now = fingerprint(sources)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return
  rmSync(stamp, { force: true })
  work()
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(stamp, now)
}

/** Names, sizes and times of all sources. */
function fingerprint(sources) {
  const sum = createHash('sha256')
  const look = folder => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.name.startsWith('.') || entry.name.startsWith('dist') || ['node_modules', 'docs', 'runs', 'weights'].includes(entry.name))
        continue
      if (entry.isDirectory()) look(path)
      else if (sources.test(entry.name)) {
        const { size, mtimeMs } = statSync(join(root, path))
        sum.update(`${path} ${size} ${mtimeMs}\n`)
      }
    }
  }
  look('')
  return sum.digest('hex')
}

/** Compiled files whose source is gone would still be run as tests and packed. */
function removeOrphans() {
  for (const name of readdirSync(join(root, 'dist'), { recursive: true })) {
    const source = join(root, name.replace(/(\.d\.ts|\.js)$/, '.ts'))
    if (/^page\b/.test(name) || !/(\.d\.ts|\.js)$/.test(name) || existsSync(source)) continue
    rmSync(join(root, 'dist', name))
  }
}

/** Standard output belongs to the command that follows. */
function run(...args) {
  const done = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (done.status !== 0) process.exit(done.status ?? 1)
}
