import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Argument, Command } from 'commander'
import { report } from '../bin/errors.js'
import { cpusAllowed } from '../infer/cpus.js'
import { servingFile } from '../models/card.js'
import { findModel } from '../models/catalog.js'
import { benchExport } from './export.js'
import { benchFolder } from './folder.js'
import { type Row, tableOf } from './rows.js'
import { benchServe } from './serve.js'
import type { Setting } from './setting.js'
import { benchTiles } from './tiles.js'
import { benchTrain } from './train.js'
import { benchVariants } from './variants.js'

/** `npm run bench -- [export folder serve tiles train variants] [--quick] [--json FILE]`: see docs/benchmarks.md. */

const BENCHES: Record<string, (setting: Setting) => Promise<Row[]>> = {
  export: benchExport,
  folder: benchFolder,
  serve: benchServe,
  tiles: benchTiles,
  train: benchTrain,
  variants: benchVariants,
}

try {
  await bench()
} catch (error) {
  process.exitCode = report(error)
}

async function bench(): Promise<void> {
  const { names, quick, json } = readArguments()
  const setting = await prepare(quick)
  const machine = describeMachine(setting)
  setting.say(Object.values(machine).join(', '))
  const rows: Row[] = []
  for (const name of names) {
    setting.say(`${name} …`)
    rows.push(...(await BENCHES[name]!(setting)))
  }
  console.log(tableOf(rows))
  if (quick) console.log('\nA smoke run (--quick): the figures mean nothing.')
  const date = new Date().toISOString()
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ date, quick, machine, rows }, null, 2)}\n`)
}

function readArguments(): { names: string[]; quick: boolean; json: string | undefined } {
  const known = Object.keys(BENCHES)
  const command = new Command('bench')
    .description('Measure uprez against raw parts and peers; see docs/benchmarks.md.')
    .addArgument(new Argument('[rows...]', 'which rows (default: all)').choices(known))
    .option('--quick', 'a smoke run: does it work? Its figures mean nothing')
    .option('--json <file>', 'write the figures there as well')
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .parse()
  const { quick = false, json } = command.opts<{ quick?: boolean; json?: string }>()
  const names = command.args.length > 0 ? command.args : known
  // npm starts its scripts in the package's folder; the file is meant where the caller stands.
  return { names, quick, json: json === undefined ? undefined : resolve(process.env.INIT_CWD ?? '.', json) }
}

async function prepare(quick: boolean): Promise<Setting> {
  const { card, folder: model } = await findModel('fast-x4')
  const folder = await mkdtemp(join(tmpdir(), 'uprez-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  process.once('SIGINT', () => process.exit(130))
  return { quick, threads: cpusAllowed(), card, graph: join(model, servingFile(card).file), folder, say: line => console.error(line) }
}

function describeMachine({ threads, card }: Setting): Record<string, string> {
  const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const version = (name: string) => dependencies[name]!
  return {
    cpu: `${cpus()[0]?.model ?? 'unknown CPU'}, ${threads} usable`,
    node: `Node ${process.versions.node}`,
    onnxruntime: `onnxruntime-node ${version('onnxruntime-node')}`,
    sharp: `sharp ${version('sharp')}`,
    tensorflow: `tfjs ${version('@tensorflow/tfjs')}`,
    model: `${card.id} ${card.model.sha256.slice(0, 12)}`,
  }
}
