// Compiles the TypeScript into dist/ and, unless --quick, bundles the page into dist/page.
// npm hooks never run here (ignore-scripts), so every command that needs a build calls this.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = (...args) => {
  const done = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (done.status !== 0) process.exit(done.status ?? 1)
}

run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json')
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.web.json')
if (!process.argv.includes('--quick')) run('node_modules/vite/bin/vite.js', 'build', '--config', 'web-demo/vite.config.ts', '--logLevel', 'warn')
