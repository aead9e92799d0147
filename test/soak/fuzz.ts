import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ERROR_TABLE } from '../../errors.js'
import { encode, wire } from '../serve/support.js'
import { drawAlpha, drawGrey, drawPhoto, random } from '../support/draw.js'
import { undecodable } from './asks.js'
import { type Answer, codeOf, HANG_MS, multipart, openClient, shown } from './client.js'
import { drawEnvelope } from './envelope.js'
import { MUTATIONS } from './mutate.js'
import { drawOptions } from './options.js'
import { type Part, pick, until } from './part.js'
import { startServer } from './server.js'
import type { Tally } from './tally.js'

/** So many at least, however short the time. */
const LEAST = { pictures: 400, forms: 400, options: 400 }

/**
 * Damaged pictures in whole forms, whole pictures in damaged forms, and options that nobody would ask for. Every answer is a picture
 * or a documented 4xx.
 */
export const fuzz: Part = async ({ seed, milliseconds, folder }, tally) => {
  const server = await startServer(folder, tally, {
    // What takes a lie for a size must be told so before it takes minutes.
    UPREZ_MAX_INPUT_PIXELS: '1000000',
    UPREZ_MAX_OUTPUT_PIXELS: '4000000',
    UPREZ_DEADLINE_MS: '20000',
    // A body of unknown length counts as the largest, and many of those would be told `busy`.
    UPREZ_MAX_UPLOAD_BYTES: '1000000',
    // A form that never ends is over when the server says so.
    UPREZ_HEADERS_TIMEOUT_MS: '1500',
    UPREZ_REQUEST_TIMEOUT_MS: '3000',
    UPREZ_KEEP_ALIVE_TIMEOUT_MS: '1000',
  })
  const keep = keeper(folder, tally)
  const pictures = await drawSeeds(seed)
  const client = openClient(server.port)
  const start = performance.now()
  let number = 0
  // Drawn, not counted up: neighbouring seeds must not meet each other's cases.
  const seeds = random(seed)
  const nextCase = () => {
    number++
    return random(Math.floor(seeds() * 2 ** 21))
  }

  const damagePicture = async () => {
    const next = nextCase()
    const { name, bytes } = pick(next, pictures)
    const mutation = pick(next, Object.keys(MUTATIONS))
    const damaged = MUTATIONS[mutation]!(bytes, next)
    const fault = await client.post(multipart(name, damaged)).then(answer => judge(answer, 'picture', tally), noAnswer)
    if (fault !== undefined) await keep(`${name}-${mutation}`, damaged, fault)
  }
  await until(start + 0.4 * milliseconds, 4, damagePicture, LEAST.pictures)
  tally.fact(`${number} damaged pictures`)

  const damagedPictures = number
  const small = pictures[0]!.bytes
  const askOddly = async () => {
    const { query, fields } = drawOptions(nextCase())
    const body = multipart('a.png', small, fields)
    const fault = await client.post(body, `/upscale${query}`).then(answer => judge(answer, 'options', tally), noAnswer)
    if (fault !== undefined) await keep(`options ${query}`, body, fault)
  }
  await until(start + 0.6 * milliseconds, 4, askOddly, LEAST.options)
  tally.fact(`${number - damagedPictures} odd options`)
  client.close()

  const before = number
  const damageForm = async () => {
    const envelope = drawEnvelope(small, nextCase())
    const fault = await exchange(server.port, envelope.slices).then(answer => judge(answer, 'form', tally), noAnswer)
    if (fault !== undefined) await keep(envelope.name, Buffer.concat(envelope.slices), fault)
  }
  await until(start + milliseconds, 24, damageForm, LEAST.forms)
  tally.fact(`${number - before} damaged forms`)

  await server.enginePid()
  tally.fact(`engine restarts: ${server.engines.size - 1}`)
  await server.end()
}

const noAnswer = (error: Error): string => `no answer: ${error.message}`

/** Pictures of every kind that is read, small, so that a flipped bit seldom misses. */
async function drawSeeds(seed: number): Promise<{ name: string; bytes: Buffer }[]> {
  const photo = drawPhoto(24, 18, seed)
  const kinds = ['png', 'jpeg', 'webp', 'avif', 'tiff'] as const
  const photos = await Promise.all(kinds.map(async kind => ({ name: `photo.${kind}`, bytes: await encode(photo, kind) })))
  const others = [
    { name: 'grey.png', bytes: await encode(drawGrey(17, 23, seed)) },
    { name: 'alpha.png', bytes: await encode(drawAlpha(31, 12, seed)) },
    { name: 'alpha.webp', bytes: await encode(drawAlpha(31, 12, seed), 'webp') },
    { name: 'grey.jpeg', bytes: await encode(drawGrey(17, 23, seed), 'jpeg') },
    { name: 'wide.tiff', bytes: await encode(drawPhoto(90, 3, seed), 'tiff') },
  ]
  return [...photos, ...others]
}

/** What is wrong with an answer to something damaged. */
async function judge(answer: Answer, of: string, tally: Tally): Promise<string | undefined> {
  const { status, bytes } = answer
  if (status === 200) {
    tally.count(`${of}: 200`)
    return undecodable(bytes)
  }
  const code = codeOf(answer)
  if (code === undefined || !(code in ERROR_TABLE)) return `no problem of errors.ts: ${shown(answer)}`
  tally.count(`${of}: ${status} ${code}`)
  return status >= 400 && status < 500 ? undefined : shown(answer)
}

/** Says what broke and keeps the bytes that broke it, to be sent again. */
function keeper(folder: string, tally: Tally): (name: string, bytes: Buffer, fault: string) => Promise<void> {
  let kept = 0
  return async (name, bytes, fault) => {
    const path = join(folder, `broke-${++kept}-${name.replaceAll(/[^\w.]+/g, '-')}.bin`)
    if (kept <= 50) await writeFile(path, bytes)
    tally.broke(`${name}: ${fault} (${path})`)
  }
}

/** Sends bytes slice by slice on a connection of their own and reads the first answer. */
async function exchange(port: number, slices: readonly Buffer[]): Promise<Answer> {
  const { socket, write, rest } = await wire(port)
  const hang = setTimeout(() => socket.destroy(), HANG_MS)
  for (const slice of slices) {
    write(slice)
    await new Promise(setImmediate)
  }
  const text = await rest()
  clearTimeout(hang)
  return readAnswer(text)
}

function readAnswer(text: string): Answer {
  const answers = /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)*HTTP\/1\.1 (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n(.*)$/s.exec(text)
  if (!answers) throw new Error(text === '' ? 'the connection was closed in silence' : `no HTTP: ${text.slice(0, 100)}`)
  const [, status, head, body] = answers
  const headers = Object.fromEntries(
    head!.split('\r\n').map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const length = headers['content-length'] === undefined ? body!.length : Number(headers['content-length'])
  if (body!.length < length) throw new Error(`the answer breaks off after ${body!.length} of ${length} bytes`)
  return { status: Number(status), headers, bytes: Buffer.from(body!.slice(0, length), 'latin1') }
}
