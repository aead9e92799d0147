import { spawn } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatOf } from './codec.js'
import type { HandAnswer } from './hand.js'
import { handInWords, startFastestHand, startHand } from './hand-peer.js'
import type { Pictures } from './pictures.js'
import { drawPictures } from './pictures.js'
import type { Row } from './rows.js'
import type { Setting } from './setting.js'
import { compare, inTurn } from './statistics.js'

const uprez = fileURLToPath(new URL('../bin/uprez.js', import.meta.url))

/** The folder command against the hand-written loop, each from the start of its process to its end. */
export async function benchFolder(setting: Setting): Promise<Row[]> {
  const pictures = await drawPictures(join(setting.folder, 'folder-in'), setting.quick ? 4 : 36)
  const few = await drawPictures(join(setting.folder, 'folder-few'), setting.quick ? 2 : 10)
  const results = { ours: join(setting.folder, 'folder-ours'), peer: join(setting.folder, 'folder-peer') }
  const { style, hand } = await startFastestHand({ kind: 'folder', input: few.folder, output: results.peer }, setting)
  await hand.close()

  const ours = async () => {
    await rm(results.ours, { recursive: true, force: true })
    return rate(pictures, () => runUprez(['upscale', '-i', pictures.folder, '-o', results.ours, '-n', setting.card.id]))
  }
  const peer = async () => {
    await rm(results.peer, { recursive: true, force: true })
    return rate(pictures, async () => {
      const hand = await startHand(style, setting)
      await hand.ask<HandAnswer>({ kind: 'folder', input: pictures.folder, output: results.peer })
      await hand.close()
    })
  }
  const pairs = await inTurn(setting.quick ? 1 : 4, ours, peer)
  const same = await countSame(pictures, results)
  return [
    {
      name: 'folder command',
      unit: 'pictures/s',
      ours: `uprez upscale, whole process: ${pictures.files.length} JPEG and PNG files of 256–512 pixels, ${pictures.megapixels.toFixed(1)} megapixels, ×${setting.card.scale}; ${same} results are the peer's byte for byte`,
      peer: `hand-written loop, whole process: sharp, ${handInWords(style, setting.threads)}, sharp; no flush to disk`,
      result: compare(pairs),
    },
  ]
}

async function rate({ files }: Pictures, work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return files.length / ((performance.now() - start) / 1000)
}

function runUprez(args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [uprez, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let words = ''
    child.stderr.on('data', text => {
      words = (words + text).slice(-2000)
    })
    child.on('error', reject)
    child.on('close', code =>
      code === 0 ? resolve() : reject(new Error(`uprez ${args[0]} ended with ${code}: ${words.trim().split('\n').at(-1)}`)),
    )
  })
}

async function countSame({ files }: Pictures, folders: { ours: string; peer: string }): Promise<string> {
  let same = 0
  for (const { name } of files) {
    const result = `${parse(name).name}.${formatOf(name)}`
    const [ours, peer] = await Promise.all([readFile(join(folders.ours, result)), readFile(join(folders.peer, result))])
    if (ours.equals(peer)) same++
  }
  return same === files.length ? 'all' : `${same} of the`
}
