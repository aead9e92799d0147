import { MUTATIONS } from './mutate.js'
import { between, pick } from './part.js'

/** A request as it goes over the wire, cut where one write ends and the next begins. */
export interface Envelope {
  name: string
  slices: Buffer[]
}

interface Draft {
  line: string
  headers: [name: string, value: string][]
  body: Buffer
  /** Written in front of the length of the body that is really sent. */
  claim: (length: number) => string | undefined
}

type Damage = (draft: Draft, next: () => number) => void

const set = (draft: Draft, name: string, value: string): void => {
  draft.headers = [...draft.headers.filter(([other]) => other !== name), [name, value]]
}

/** What is done to a request that is right, by the name it is reported under. */
const DAMAGES: Record<string, Damage> = {
  ...Object.fromEntries(
    Object.entries(MUTATIONS).map(([name, mutate]): [string, Damage] => [
      `form: ${name}`,
      (draft, next) => {
        draft.body = mutate(draft.body, next)
      },
    ]),
  ),
  'length too small': (draft, next) => {
    draft.claim = length => String(Math.floor(between(next, 0, length)))
  },
  'length too large': (draft, next) => {
    draft.claim = length => String(length + Math.ceil(between(next, 0, 1000)))
  },
  'length is no length': (draft, next) => {
    draft.claim = () => pick(next, ['', '-1', '1e9', '0x10', '99999999999999999999', '12 12', 'NaN'])
  },
  'no length': draft => {
    draft.claim = () => undefined
  },
  'chunks, well or badly made': (draft, next) => {
    draft.claim = () => undefined
    set(draft, 'Transfer-Encoding', pick(next, ['chunked', 'chunked', 'gzip, chunked', 'chunked, chunked', 'identity']))
    const size = pick(next, [draft.body.length.toString(16), 'ffffffffffff', '-5', '5', 'zz', `${draft.body.length.toString(16)};x=y`])
    draft.body = Buffer.concat([Buffer.from(`${size}\r\n`), draft.body, Buffer.from(pick(next, ['\r\n0\r\n\r\n', '\r\n', '0\r\n', '']))])
  },
  'other boundary': (draft, next) =>
    set(
      draft,
      'Content-Type',
      pick(next, [
        'multipart/form-data',
        'multipart/form-data; boundary=',
        'multipart/form-data; boundary=C',
        'multipart/form-data; boundary="B',
        `multipart/form-data; boundary=${'b'.repeat(5000)}`,
        'multipart/form-data; boundary=B; boundary=C',
        'multipart/mixed; boundary=B',
        'Multipart/Form-Data; BOUNDARY="B"',
        'application/x-www-form-urlencoded',
        'image/png',
        '',
        ';',
      ]),
    ),
  'other headers': (draft, next) => {
    const [name, value] = pick(next, [
      ['Expect', 'a miracle'],
      ['Expect', '100-continue'],
      ['Content-Encoding', 'gzip'],
      ['Accept', pick(next, ['text/html', 'image/*;q=0', ';;;', 'image/webp;q=2', '*/*'.repeat(500)])],
      ['Upgrade', 'websocket'],
      ['Connection', 'upgrade'],
      ['Range', 'bytes=0-1'],
      ['If-None-Match', '*'],
      ['Cookie', 'c'.repeat(20_000)],
      ['X-Forwarded-For', '1, 2, 3'],
      ['Bad name', 'x'],
      ['X-Null', 'a\0b'],
    ] as [string, string][])
    draft.headers.push([name, value])
  },
  'no Host': draft => {
    draft.headers = draft.headers.filter(([name]) => name !== 'Host')
  },
  'other request line': (draft, next) => {
    draft.line = pick(next, [
      'PUT /upscale HTTP/1.1',
      'POST /upscale HTTP/1.0',
      'POST /upscale HTTP/2.0',
      'POST /upscale',
      'POST http://elsewhere/upscale HTTP/1.1',
      'POST //upscale HTTP/1.1',
      'POST /upscale/%2e%2e/%ff HTTP/1.1',
      'POST /upscale?scale=2&scale=3 HTTP/1.1',
      'POST /upscale?__proto__[x]=1 HTTP/1.1',
      'POST /upscale?model=../../x HTTP/1.1',
      'POST /upscale?format=%00 HTTP/1.1',
      'POST /upscale?%E0%A4%A HTTP/1.1',
      'POST /models/%c0%ae/model.onnx HTTP/1.1',
      'GET /models/fast-x4/..%2f..%2fcard.json HTTP/1.1',
      `POST /${'x'.repeat(30_000)} HTTP/1.1`,
      'DELETE * HTTP/1.1',
      'OPTIONS /upscale HTTP/1.1',
    ])
  },
  'odd part names': (draft, next) => {
    const name = pick(next, [
      '__proto__',
      'constructor',
      'img[0]',
      'img[a][b]',
      'scale',
      'a'.repeat(300),
      '',
      'img"; filename="b.png',
      'toString',
      '\u{1f600}',
    ])
    const file = pick(next, ['', '; filename=""', '; filename="x.png"', "; filename*=utf-8''%ff%fe", '; filename*=x'])
    const part = Buffer.from(
      `--B\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${pick(next, ['', '2', 'x'.repeat(1000)])}\r\n`,
    )
    draft.body = Buffer.concat(
      Array<Buffer>(pick(next, [1, 1, 2, 40]))
        .fill(part)
        .concat(draft.body),
    )
  },
  'odd part headers': (draft, next) => {
    const header = pick(next, [
      'Content-Type: \r\n',
      'Content-Transfer-Encoding: base64\r\n',
      'X: y\r\n'.repeat(300),
      ': nothing\r\n',
      'Content-Disposition: form-data; name="img"\r\n',
      ' folded\r\n',
      'Content-Type: text/plain; charset=none\r\n',
    ])
    draft.body = Buffer.from(draft.body.toString('latin1').replace('\r\n', `\r\n${header}`), 'latin1')
  },
}

/** A request with this picture in a form, with one or two damages, and its way over the wire. */
export function drawEnvelope(picture: Buffer, next: () => number): Envelope {
  const draft: Draft = {
    line: 'POST /upscale HTTP/1.1',
    headers: [
      ['Host', 'test'],
      ['Connection', 'close'],
      ['Content-Type', 'multipart/form-data; boundary=B'],
    ],
    body: Buffer.concat([
      Buffer.from('--B\r\nContent-Disposition: form-data; name="img"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'),
      picture,
      Buffer.from('\r\n--B\r\nContent-Disposition: form-data; name="scale"\r\n\r\n2\r\n--B--\r\n'),
    ]),
    claim: String,
  }
  const names = Array.from({ length: next() < 0.7 ? 1 : 2 }, () => pick(next, Object.keys(DAMAGES)))
  for (const name of names) DAMAGES[name]!(draft, next)
  const claim = draft.claim(draft.body.length)
  const headers = claim === undefined ? draft.headers : [...draft.headers, ['Content-Length', claim]]
  const head = [draft.line, ...headers.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
  return { name: names.join(' + '), slices: cut(Buffer.concat([Buffer.from(head), draft.body]), next) }
}

function cut(bytes: Buffer, next: () => number): Buffer[] {
  const ends = Array.from({ length: pick(next, [0, 0, 1, 5]) }, () => Math.floor(next() * bytes.length)).sort((a, b) => a - b)
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}
