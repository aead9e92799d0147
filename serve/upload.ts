import type { Request, Response } from 'express'
import multer, { MulterError, type Options, type StorageEngine } from 'multer'
import { UprezError } from '../errors.js'
import type { LargeFiles, Received } from './large.js'
import type { ServerLimits } from './limits.js'
import { type Fields, invalidOption, unknownOption } from './options.js'

/** The form fields that an image may come in. */
const IMAGE_FIELDS = ['img', 'image', 'file']
const RAW_TYPES = ['image/*', 'application/octet-stream']
const A_FORM = 'multipart/form-data with the image in the field img (curl -F img=@low.png)'

export interface Upload extends Received {
  /** The file's name as the client told it. */
  name: string | undefined
  /** The other fields of the form. */
  form: Fields
}

/** Looks at the headers alone. @returns the bytes that the body may have; @throws UprezError if it need not be read at all */
export function checkUpload(req: Request, { maxUploadBytes }: Pick<ServerLimits, 'maxUploadBytes'>): number {
  const { 'content-length': length, 'content-encoding': coding = 'identity' } = req.headers
  const chunked = req.headers['transfer-encoding'] !== undefined
  if (!chunked && (length === undefined || (length === '0' && mediaType(req) === ''))) throw missingImage('no body')
  if (coding !== 'identity') throw unsupported('Content-Encoding', 'no Content-Encoding', coding)
  if (mediaType(req) !== 'multipart/form-data' && !req.is(RAW_TYPES)) {
    throw unsupported('Content-Type', `${A_FORM}, or the image itself as image/*`, req.headers['content-type'] ?? 'none')
  }
  if (Number(length) > maxUploadBytes) throw tooLarge(maxUploadBytes, `${length} bytes`)
  return length === undefined ? maxUploadBytes : Number(length)
}

/**
 * Makes the function that reads the image and the options out of a request's body: a form, or the image itself.
 * The image goes where `files` puts it. Throws UprezError `missing-image`, `several-images`, `empty-image`,
 * `broken-multipart`, `upload-too-large`, `unknown-option`, `invalid-option`, `no-space`, `aborted`; the body may then be unread.
 */
export function createReceiver(limits: ServerLimits): (req: Request, res: Response, files: LargeFiles) => Promise<Upload> {
  const formOptions: Options = {
    defParamCharset: 'utf8',
    limits: {
      fileSize: limits.maxUploadBytes,
      // Other file inputs of a page's form arrive as empty files; they are let through, and two real ones refused below.
      files: IMAGE_FIELDS.length + 1,
      fields: limits.maxFormFields,
      parts: limits.maxFormFields + IMAGE_FIELDS.length + 1,
      fieldSize: limits.maxFieldBytes,
      fieldNameSize: limits.maxFieldNameBytes,
      headerPairs: limits.maxPartHeaders,
      fieldNestingDepth: 0,
      fieldArrayIndexLimit: 0,
    },
    fileFilter: (_req, file, accept) => {
      if (IMAGE_FIELDS.includes(file.fieldname)) accept(null, true)
      else accept(unknownOption(file.fieldname, IMAGE_FIELDS))
    },
  }

  return async (req, res, files) => {
    // `checkContinue` hands such a request over unanswered, so that a refusal comes before the body is sent.
    if (req.headers.expect !== undefined) res.writeContinue()
    return mediaType(req) === 'multipart/form-data' ? receiveForm(req, res, files) : receiveImage(req, files)
  }

  function receiveForm(req: Request, res: Response, files: LargeFiles): Promise<Upload> {
    const parseForm = multer({ ...formOptions, storage: storageIn(files) }).any()
    return new Promise<void>((resolve, reject) => {
      boundBytes(req, limits.maxUploadBytes, reject)
      parseForm(req, res, (error: unknown) => (error ? reject(formError(error, limits)) : resolve()))
    }).then(() => fromForm(req))
  }

  async function receiveImage(req: Request, files: LargeFiles): Promise<Upload> {
    const received = await files.receive(bounded(req, limits.maxUploadBytes))
    if (received.size === 0) throw emptyImage('the body')
    return { ...received, name: undefined, form: {} }
  }
}

/** multer's door to `files`. */
function storageIn(files: LargeFiles): StorageEngine {
  return {
    _handleFile(_req, { stream }, done) {
      files.receive(stream).then(received => done(null, received as object), done)
    },
    // They go all together, when the request is over.
    _removeFile: (_req, _file, done) => done(null),
  }
}

/** A request's body as far as it may go. The request outlives it: somebody has to hear the answer. */
async function* bounded(req: Request, most: number): AsyncGenerator<Buffer> {
  let received = 0
  const body: AsyncIterableIterator<Buffer> = req.iterator({ destroyOnReturn: false })
  try {
    for await (const chunk of body) {
      received += chunk.length
      if (received > most) throw tooLarge(most, `more than ${most} bytes`)
      yield chunk
    }
  } catch (error) {
    throw error instanceof UprezError ? error : new UprezError('aborted', 'The client went away before the image had arrived')
  }
}

/** A body without a Content-Length ends when the client likes. */
function boundBytes(req: Request, most: number, refuse: (error: UprezError) => void): void {
  if (req.headers['content-length'] !== undefined) return
  let received = 0
  req.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received > most) refuse(tooLarge(most, `more than ${most} bytes`))
  })
}

function fromForm(req: Request): Upload {
  const files = (req.files ?? []) as (Express.Multer.File & Received)[]
  const form = req.body as Fields | undefined
  // multer steps over what it does not take for a form.
  if (form === undefined) throw brokenForm('a Content-Type with a boundary', req.headers['content-type'] ?? 'none')
  const [file, second] = files
  if (second) {
    const got = files.map(({ fieldname, originalname }) => `${fieldname}=${originalname}`).join(', ')
    throw new UprezError('several-images', `Expected one image but received ${files.length}: ${got}`, {
      param: second.fieldname,
      expected: 'one image',
      got,
    })
  }
  const text = IMAGE_FIELDS.find(name => Object.hasOwn(form, name))
  if (text !== undefined) throw textImage(text)
  if (!file) {
    const names = Object.keys(form)
    throw missingImage(names.length === 0 ? 'a form without a file' : `a form with ${names.join(', ')} and no file`)
  }
  // Else the request would hold the picture until it is answered.
  req.files = []
  const { size, head, input, originalname: name } = file
  if (size === 0) throw emptyImage(`${file.fieldname}=${name}`)
  return { size, head, input, name, form }
}

/** What multer and busboy throw, by what the client should mend. */
function formError(error: unknown, limits: ServerLimits): UprezError {
  if (error instanceof UprezError) return error
  const { message } = error as Error
  if (!(error instanceof MulterError)) {
    if (/^Request (aborted|closed|error)$/.test(message) || (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
      return new UprezError('aborted', 'The client went away before the form had arrived')
    }
    return brokenForm('a complete multipart/form-data body', message)
  }
  const field = error.field ?? ''
  // The types know fewer codes than multer has.
  switch (error.code as string) {
    case 'LIMIT_FILE_SIZE':
      return tooLarge(limits.maxUploadBytes, `more than ${limits.maxUploadBytes} bytes`)
    case 'LIMIT_FILE_COUNT':
      return new UprezError('several-images', 'Expected one image but received several', { expected: 'one image', got: 'several' })
    case 'LIMIT_FIELD_VALUE':
      if (IMAGE_FIELDS.includes(field)) return textImage(field)
      return invalidOption(field, `at most ${limits.maxFieldBytes} bytes`, 'more')
    case 'LIMIT_FIELD_KEY':
      return brokenForm(`field names of at most ${limits.maxFieldNameBytes} bytes`, 'a longer one')
    case 'LIMIT_FIELD_NESTING':
    case 'LIMIT_FIELD_ARRAY_INDEX':
    case 'INVALID_FIELD_NAME':
      return unknownOption(field)
    case 'LIMIT_FIELD_COUNT':
    case 'LIMIT_PART_COUNT':
      return brokenForm(`at most ${limits.maxFormFields} fields`, 'more')
    default:
      return brokenForm('a complete multipart/form-data body', message)
  }
}

const mediaType = (req: Request): string => (req.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()

const brokenForm = (expected: string, got: string): UprezError =>
  new UprezError('broken-multipart', `Expected ${expected} but received: ${got}`, { param: 'body', expected, got })

const missingImage = (got: string): UprezError =>
  new UprezError('missing-image', `Expected ${A_FORM} but received ${got}`, { param: 'img', expected: 'an image', got })

const textImage = (field: string): UprezError =>
  new UprezError('missing-image', `Expected a file in ${field} but received text; with curl: -F ${field}=@low.png, with the @`, {
    param: field,
    expected: 'a file',
    got: 'text (no filename)',
  })

const emptyImage = (got: string): UprezError =>
  new UprezError('empty-image', `Expected an image but ${got} has no bytes`, { param: 'img', expected: 'an image', got: '0 bytes' })

function tooLarge(most: number, got: string): UprezError {
  const expected = `at most ${most} bytes`
  return new UprezError('upload-too-large', `Expected ${expected} (UPREZ_MAX_UPLOAD_BYTES) for the body but received ${got}`, {
    param: 'body',
    expected,
    got,
  })
}

function unsupported(param: string, expected: string, got: string): UprezError {
  return new UprezError('unsupported-media-type', `Expected ${expected} but received ${param} ${got}`, { param, expected, got })
}
