import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { RequestHandler } from 'express'
import type { Logger } from 'pino'
import { UprezError } from '../errors.js'

/**
 * API keys. A server knows a name and the SHA-256 of each, never the key itself; a key is 256 random bits, which no dictionary holds,
 * so a hash without salt will do.
 */
export interface Keys {
  /** The name of the key's owner; undefined for one that is not known, or no longer. */
  ownerOf(key: string): string | undefined
}

/** A new key, to be told to its owner, and the line by which a server knows it. */
export function makeKey(name: string): { key: string; line: string } {
  if (!NAME.test(name)) throw badName(name)
  const key = `uprez_${randomBytes(32).toString('base64url')}`
  return { key, line: `${name}:${hashOf(key)}` }
}

/**
 * Reads UPREZ_API_KEYS: entries name:sha256 between commas, or the path of a file with one entry a line ("#" begins a comment). A file
 * is read again when it has changed: taking a line out revokes that key, taking all out revokes all.
 * @param log hears of a changed file that will not do, which leaves the keys as they were
 * @returns undefined where none are asked for
 * @throws UprezError `invalid-option`
 */
export function readKeys(text: string | undefined, log?: Logger): Keys | undefined {
  if (text === undefined || text.trim() === '') return undefined
  if (!text.includes(':') || /[/\\]/.test(text)) return keysInFile(text.trim(), log)
  const owners = someOf(parse(text.split(','), VARIABLE), VARIABLE)
  return { ownerOf: key => owners.get(hashOf(key)) }
}

/**
 * Lets requests with a key pass (`Authorization: Bearer KEY`, RFC 6750, or `X-API-Key: KEY`); `res.locals.client` is its owner's name
 * from then on. Without keys, everybody passes.
 */
export function requireKey(keys: Keys | undefined): RequestHandler {
  return (req, res, next) => {
    if (keys === undefined) return next()
    const sent = keysIn(req.headers)
    // A proxy may have put its own into one of the headers.
    const owner = sent.map(keys.ownerOf).find(name => name !== undefined)
    if (owner === undefined) {
      res.set('WWW-Authenticate', `Bearer realm="uprez"${sent.length === 0 ? '' : ', error="invalid_token"'}`)
      return next(unauthorized(sent.length === 0 ? 'no key' : 'a key that is not known'))
    }
    res.locals.client = owner
    next()
  }
}

const VARIABLE = 'UPREZ_API_KEYS'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const ENTRY = /^([^:]*):([0-9a-f]{64})$/i

function keysIn({ authorization, 'x-api-key': header }: NodeJS.Dict<string | string[]>): string[] {
  const bearer = typeof authorization === 'string' ? /^Bearer +([^ ]+) *$/i.exec(authorization)?.[1] : undefined
  return [bearer, header].filter(key => typeof key === 'string')
}

function keysInFile(path: string, log: Logger | undefined): Keys {
  let state = stateOf(path)
  let owners = someOf(ownersIn(path), path)
  return {
    ownerOf(key) {
      const found = stateOf(path)
      if (found !== state) {
        // First, so that what is refused is so once.
        state = found
        try {
          owners = ownersIn(path)
        } catch (error) {
          log?.error({ err: error }, `${VARIABLE} has changed and will not do: the keys of before go on, those taken out of it too`)
        }
      }
      return owners.get(hashOf(key))
    },
  }
}

/** Differs where what is in the file, or whether it can be read, may differ. */
function stateOf(path: string): string {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path)
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

function ownersIn(path: string): Map<string, string> {
  return parse(read(path).split('\n'), path)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const expected = 'entries name:sha256, or the path of a file of them'
    throw new UprezError(
      'invalid-option',
      `Expected ${expected} for ${VARIABLE}, but ${path} cannot be read; make one with: uprez key NAME`,
      {
        param: VARIABLE,
        expected,
        got: (cause as NodeJS.ErrnoException).code ?? 'an unreadable file',
        cause,
      },
    )
  }
}

/** Owners' names by hash. What an entry holds is not shown: it may be a key that was put there by mistake. */
function parse(lines: string[], where: string): Map<string, string> {
  const owners = new Map<string, string>()
  for (const [i, line] of lines.entries()) {
    const entry = line.replace(/#.*/, '').trim()
    if (entry === '') continue
    const [, name, hash] = ENTRY.exec(entry) ?? []
    if (name === undefined || hash === undefined || !NAME.test(name)) {
      const expected = 'name:sha256 with 64 hexadecimal digits, as "uprez key NAME" prints it'
      throw new UprezError('invalid-option', `${where}: entry ${i + 1}: expected ${expected}`, {
        param: VARIABLE,
        expected,
        got: `entry ${i + 1}`,
      })
    }
    owners.set(hash.toLowerCase(), name)
  }
  return owners
}

/** A server that begins without any key was not meant so. */
function someOf(owners: Map<string, string>, where: string): Map<string, string> {
  if (owners.size > 0) return owners
  throw new UprezError('invalid-option', `${where}: expected at least one key; make one with: uprez key NAME`, {
    param: VARIABLE,
    expected: 'at least one key',
    got: 'none',
  })
}

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')

function unauthorized(got: string): UprezError {
  const expected = 'Authorization: Bearer KEY, or X-API-Key: KEY'
  return new UprezError('unauthorized', `Expected ${expected} but received ${got}`, { param: 'Authorization', expected, got })
}

function badName(name: string): UprezError {
  const expected = 'letters, digits, ".", "_" or "-", at most 64'
  return new UprezError('invalid-option', `Expected ${expected} for the name of a key but received ${name.slice(0, 80)}`, {
    param: 'name',
    expected,
    got: name.slice(0, 80),
  })
}
