// Checks every import against the arrows of ARCHITECTURE.md: which room may know which. `node tools/arrows.mjs [folder]`
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'vite'

const COMMANDS = ['batch', 'serve', 'train', 'export', 'eval', 'doctor', 'probe']
const EVERYTHING = [
  'models',
  'image',
  'runtime',
  'infer',
  'probe',
  'web',
  'serve',
  'batch',
  'web-demo',
  'nets',
  'train',
  'export',
  'eval',
  'doctor',
  'bin',
  'bench',
  'test',
]
const ARROWS = {
  models: [],
  image: [],
  runtime: ['image', 'models'],
  probe: ['image', 'models'],
  infer: ['runtime', 'image', 'models', 'probe'],
  web: ['runtime', 'image', 'models'],
  serve: ['infer', 'models', 'probe'],
  batch: ['infer', 'models', 'probe'],
  'web-demo': ['web', 'models'],
  nets: [],
  train: ['nets', 'image', 'models'],
  export: ['nets', 'image', 'models', 'probe'],
  eval: ['infer', 'image', 'models', 'probe'],
  doctor: ['infer', 'nets', 'models'],
  bin: COMMANDS,
  bench: EVERYTHING,
  test: EVERYTHING,
}
/** From these rooms no chain of static imports may end at TensorFlow.js: what only training needs is never loaded by the rest. */
const WITHOUT_TENSORFLOW = ['models', 'image', 'runtime', 'infer', 'probe', 'web', 'serve', 'batch', 'web-demo', 'bin']

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)))
const files = new Map(sourceFiles().map(file => [file, importsOf(file)]))
const faults = [...files.keys()].flatMap(file => [...wrongArrows(file), ...tensorflowChains(file)])
for (const fault of faults) console.error(fault)
console.error(faults.length === 0 ? `arrows: ${files.size} files, no import against them` : `arrows: ${faults.length} imports against them`)
process.exitCode = faults.length === 0 ? 0 : 1

/** Paths below the root, with "/". */
function sourceFiles() {
  const left = name => name.startsWith('.') || name.startsWith('dist') || ['node_modules', 'docs', 'runs'].includes(name)
  const rooms = readdirSync(root, { withFileTypes: true }).filter(entry => entry.isDirectory() && !left(entry.name))
  return rooms.flatMap(({ name }) =>
    readdirSync(join(root, name), { recursive: true })
      .filter(file => file.endsWith('.ts') && !file.includes('node_modules'))
      .map(file => `${name}/${file.replaceAll('\\', '/')}`),
  )
}

/** Every module that a file names: `{ line, target, local, kind }`, target a file below the root (local) or a package. */
function importsOf(file) {
  const text = readFileSync(join(root, file), 'utf8')
  const { program, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`)
  const found = []
  visit(program, node => {
    const [source, kind] = reference(node) ?? []
    if (typeof source?.value !== 'string') return
    found.push({
      line: text.slice(0, node.start).split('\n').length,
      target: target(file, source.value),
      local: source.value.startsWith('.'),
      kind,
    })
  })
  return found
}

/** The literal that names a module, and how: erased by the compiler (type), at once (static), or when it is reached (lazy). */
function reference(node) {
  switch (node.type) {
    case 'ImportDeclaration':
      return [node.source, node.importKind === 'type' ? 'type' : 'static']
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return node.source ? [node.source, node.exportKind === 'type' ? 'type' : 'static'] : undefined
    case 'TSImportType':
      return [node.source ?? node.argument?.literal, 'type']
    case 'TSExternalModuleReference':
      return [node.expression, 'static']
    case 'ImportExpression':
      return [node.source, 'lazy']
    case 'CallExpression':
      return node.callee.type === 'Identifier' && node.callee.name === 'require' ? [node.arguments[0], 'lazy'] : undefined
    case 'NewExpression': // a worker or a child: new URL('./child.js', import.meta.url)
      return node.callee.name === 'URL' && node.arguments[1]?.type === 'MemberExpression' && /^\..*\.[jt]s$/.test(node.arguments[0]?.value)
        ? [node.arguments[0], 'lazy']
        : undefined
  }
}

function visit(node, see) {
  if (Array.isArray(node)) for (const child of node) visit(child, see)
  else if (node && typeof node === 'object') {
    if (typeof node.type === 'string') see(node)
    for (const value of Object.values(node)) visit(value, see)
  }
}

function target(file, name) {
  if (!name.startsWith('.')) return name
  const path = relative(root, resolve(root, dirname(file), name)).replaceAll('\\', '/')
  const source = path.replace(/\.js$/, '.ts')
  return existsSync(join(root, source)) ? source : path
}

function wrongArrows(file) {
  const room = file.split('/')[0]
  const allowed = ARROWS[room]
  if (allowed === undefined) return [`${file}: ${room}/ has no arrows; give it some in tools/arrows.mjs`]
  return files.get(file).flatMap(({ line, target, local }) => {
    // The files beside the rooms are everybody's.
    if (!local || !target.includes('/')) return []
    const other = target.split('/')[0]
    if (other === room) return []
    if (room === 'bin' && allowed.includes(other) && target !== `${other}/command.ts`)
      return [`${file}:${line}: bin/ joins commands, it may not know ${target}`]
    return allowed.includes(other)
      ? []
      : [`${file}:${line}: ${room}/ may not know ${target} (it may know ${allowed.map(name => `${name}/`).join(', ') || 'nobody'})`]
  })
}

/** The first chain of static imports from `file` to TensorFlow.js, as a message. */
function tensorflowChains(file) {
  if (!WITHOUT_TENSORFLOW.includes(file.split('/')[0])) return []
  const seen = new Set([file])
  const chains = [[file]]
  while (chains.length > 0) {
    const chain = chains.shift()
    for (const { target, kind } of files.get(chain.at(-1)) ?? []) {
      if (kind !== 'static' || seen.has(target)) continue
      seen.add(target)
      if (target.startsWith('@tensorflow/')) return [`${file}: loads TensorFlow.js: ${[...chain, target].join(' → ')}`]
      chains.push([...chain, target])
    }
  }
  return []
}
