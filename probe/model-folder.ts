import type { FileOptions } from './model-of-file.js'

/** Whether a model is meant by its file, which needs no card. */
export function isOnnxFile(name: string): boolean {
  return /\.onnx$/i.test(name)
}

/**
 * What `-n` and `-m` may name besides what models/catalog.ts knows: an `.onnx` file becomes the folder of the model that it is; all else
 * stays as it is.
 * @throws UprezError what `modelOfFile` throws
 */
export async function modelFolder<Name extends string | undefined>(name: Name, options?: FileOptions): Promise<Name | string> {
  if (name === undefined || !isOnnxFile(name)) return name
  // Who has a card needs no reader of ONNX files.
  const { modelOfFile } = await import('./model-of-file.js')
  return (await modelOfFile(name, options)).folder
}
