import { z } from 'zod'
import { ERROR_TABLE, type ErrorCode, UprezError } from '../errors.js'
import { upscaleCard } from '../models/card.js'
import { MEDIA_TYPES } from './format.js'
import { liveSchema, modelMetadataSchema, modelReadySchema, readySchema, serverMetadataSchema } from './inference-protocol.js'
import { keySchema } from './jobs-routes.js'
import { jobSchema } from './jobs-view.js'
import type { Shelf } from './models.js'
import { OPTIONS } from './options.js'
import { PROBLEM_TYPE, problemFrom, problemSchema } from './problem.js'

/** What the description of the HTTP interface (openapi.ts) is put together from. OpenAPI 3.1, as far as it is used here. */
export interface Api {
  openapi: string
  info: { title: string; version: string; summary: string; description: string; license: { name: string; identifier: string } }
  servers: { url: string }[]
  tags: { name: string; description: string }[]
  security: Record<string, string[]>[]
  paths: Record<string, PathItem>
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, object> }
}

export type PathItem = Partial<Record<Method, Operation>>
export type Method = 'get' | 'post' | 'delete'

export interface Operation {
  operationId: string
  tags: [string]
  summary: string
  description?: string
  parameters?: Parameter[]
  requestBody?: { required: boolean; description: string; content: Record<string, Content> }
  responses: Record<string, Answer>
  /** `[]` where no key is asked for. */
  security?: []
}

export interface Parameter {
  name: string
  in: 'query' | 'path' | 'header'
  required?: boolean
  description?: string
  schema: Schema
  example?: unknown
}

export interface Answer {
  description: string
  headers?: Record<string, { description: string; schema: Schema }>
  links?: Record<string, { operationId: string; parameters: Record<string, string> }>
  content?: Record<string, Content>
}

export interface Content {
  schema: Schema
  encoding?: Record<string, { contentType: string }>
  examples?: Record<string, { summary: string; value: unknown }>
}

export type Schema = { [keyword: string]: unknown }

export const binary: Schema = { type: 'string', format: 'binary' }

/** A JSON Schema, draft 2020-12, of what a schema's check gives out. */
export function schemaOf(schema: z.ZodType): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'output' })
  return rest
}

const { id, title, purpose, task, scale, parameters, scores, licence } = upscaleCard.shape

/** Of `GET /models`. */
export const modelListSchema = z.strictObject({
  models: z.array(
    z.strictObject({
      ...{ id, title, purpose, task, scale, parameters, scores, licence },
      default: z.boolean().describe('what a request gets that names none'),
      card: z.string().describe('path of the card'),
    }),
  ),
})

export const SCHEMAS: Record<string, Schema> = componentSchemas({
  Problem: problemSchema,
  Job: jobSchema,
  Models: modelListSchema,
  Card: upscaleCard,
  ServerMetadata: serverMetadataSchema,
  Live: liveSchema,
  Ready: readySchema,
  ModelMetadata: modelMetadataSchema,
  ModelReady: modelReadySchema,
})

function componentSchemas(all: Record<string, z.ZodType>): Record<string, Schema> {
  const registry = z.registry<{ id: string }>()
  for (const [name, schema] of Object.entries(all)) registry.add(schema, { id: name })
  const { schemas } = z.toJSONSchema(registry, { uri: name => `#/components/schemas/${name}`, io: 'output', override: plainTuple })
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const { $schema, $id, ...rest } = schema as Schema
      return [name, rest]
    }),
  )
}

/** Our tuples are of one kind throughout, and many readers of OpenAPI do not know `prefixItems`. */
function plainTuple({ jsonSchema }: { jsonSchema: Schema }): void {
  const { prefixItems } = jsonSchema
  if (!Array.isArray(prefixItems)) return
  delete jsonSchema.prefixItems
  jsonSchema.items = prefixItems[0]
}

export const ref = (name: keyof typeof SCHEMAS): Schema => ({ $ref: `#/components/schemas/${name}` })

export const json = (schema: Schema): Record<string, Content> => ({ 'application/json': { schema } })

export const anyJson = json({ type: 'object' })

export const pictures = (): Record<string, Content> =>
  Object.fromEntries(Object.values(MEDIA_TYPES).map(type => [type, { schema: binary }]))

export const inPath = (name: string, description: string, { description: _, default: __, ...schema }: Schema): Parameter => ({
  name,
  in: 'path',
  required: true,
  description,
  schema,
})

/** @param timings the names in Server-Timing */
export function resultHeaders(timings: string): NonNullable<Answer['headers']> {
  const text = (description: string) => ({ description, schema: { type: 'string' } })
  const whole = (description: string) => ({ description, schema: { type: 'integer', minimum: 1 } })
  return {
    'Content-Disposition': text('A name to save it under: that of the upload, the enlargement, the new ending'),
    'Content-Length': whole('Its bytes'),
    'Server-Timing': text(`Milliseconds: ${timings}`),
    'X-Model': text('Id of the model that was used; X-Uprez-Model says the same'),
    'X-Uprez-Scale': { description: 'Enlargement along a side', schema: { type: 'number', exclusiveMinimum: 0 } },
    'X-Uprez-Width': whole('Pixels'),
    'X-Uprez-Height': whole('Pixels'),
    'X-Uprez-Provider': text('ONNX Runtime provider that ran'),
  }
}

/** One answer for each status, which names its codes and shows an example of each. */
export function problemAnswers(codes: readonly ErrorCode[]): Record<string, Answer> {
  const statuses = new Set(codes.map(code => ERROR_TABLE[code].status))
  return Object.fromEntries([...statuses].map(status => [status, problemAnswer(codes.filter(code => ERROR_TABLE[code].status === status))]))
}

function problemAnswer(codes: readonly ErrorCode[]): Answer {
  const unique = [...new Set(codes)]
  const examples = unique.map(code => {
    const { title } = ERROR_TABLE[code]
    return [code, { summary: title, value: problemFrom(new UprezError(code, title)) }]
  })
  return {
    description: unique.map(code => `${code}: ${ERROR_TABLE[code].title}`).join('. '),
    content: { [PROBLEM_TYPE]: { schema: ref('Problem'), examples: Object.fromEntries(examples) } },
  }
}

export const inferenceProtocol = (
  operationId: string,
  summary: string,
  schema: Schema,
  others: Record<string, Answer>,
  more: Partial<Operation> = {},
): PathItem => ({
  get: {
    operationId,
    tags: ['Open Inference Protocol'],
    summary,
    ...more,
    responses: { 200: { description: summary, content: json(schema) }, ...others },
  },
})

/** What each option does; which values it takes is in its schema. */
const MEANINGS: Record<keyof typeof OPTIONS, string> = {
  model: 'Which model enlarges the picture',
  scale: "Enlargement along a side; the default is the model's own, another one is a final resize. Not with width, height or longest",
  width: 'Width of the result in pixels; alone, it keeps the proportions',
  height: 'Height of the result in pixels; alone, it keeps the proportions',
  longest: 'Longer side of the result in pixels. Not with width or height',
  format: 'File format of the result; auto: what Accept prefers, else JPEG for JPEG, WebP for WebP and PNG for all others',
  quality: 'Of JPEG, WebP (default 95) and AVIF (default 80)',
  depth: 'Bits of a sample, 16 in PNG and TIFF only; auto: as the picture has, 8 where the format has no more',
  dpi: 'Pixels per inch that a PNG, JPEG or TIFF says it has: those of the picture (keep), those times the enlargement (scale), or so many',
  page: 'Which page of a TIFF; one of several pages is refused without',
  tile: 'Side of a tile in input pixels; 0: chosen by the server',
  tta: 'Test-time augmentation: the mean over eight turned and mirrored runs. A little better, at eight times the cost',
}

const DEFAULTS: Partial<Record<keyof typeof OPTIONS, unknown>> = { format: 'auto', depth: 'auto', dpi: 'keep', tile: 0, tta: false }

/** A schema for each option, as a value that JSON could hold. */
export function optionSchemas(shelf: Shelf): Record<string, Schema> {
  const entries = Object.entries(OPTIONS).map(([name, option]) => {
    const { description: _, ...schema } = schemaOf(option)
    const key = name as keyof typeof OPTIONS
    const fallback = DEFAULTS[key] === undefined ? {} : { default: DEFAULTS[key] }
    const known = key === 'model' ? { enum: shelf.models.map(({ card }) => card.id), default: shelf.standardId } : {}
    return [name, { ...schema, ...known, ...fallback, description: MEANINGS[key] }]
  })
  return Object.fromEntries(entries)
}

/** The body and the query of a request with a picture. */
export function orderOf(options: Record<string, Schema>, maxUploadBytes: number) {
  const form: Schema = {
    type: 'object',
    properties: {
      img: { ...binary, description: 'The picture: PNG, JPEG, WebP, AVIF or TIFF; the field may be called image or file, too' },
      ...options,
    },
    required: ['img'],
    additionalProperties: false,
  }
  const inputTypes = Object.values(MEDIA_TYPES)
  const raw = inputTypes.map(type => [type, { schema: binary }])
  return {
    parameters: Object.entries(options).map(([name, { description, ...schema }]): Parameter => {
      return { name, in: 'query', description: String(description), schema }
    }),
    requestBody: {
      required: true,
      description: `A form with the picture and options, or the picture itself; at most ${maxUploadBytes} bytes`,
      content: {
        'multipart/form-data': { schema: form, encoding: { img: { contentType: inputTypes.join(', ') } } },
        ...Object.fromEntries(raw),
      },
    },
  }
}

export const idempotencyKey: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  description: 'Sent again with the same picture and options, it finds the same job instead of making another; as long as the job is kept',
  schema: schemaOf(keySchema),
  example: '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}
