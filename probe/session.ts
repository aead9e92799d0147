import '../no-telemetry.js'
import ort from 'onnxruntime-node'

/** A float tensor: NCHW is what the canonical file takes and gives. */
export interface Planes {
  data: Float32Array
  /** [batch, channels, height, width]; of other ranks, as the network has them. */
  dims: readonly number[]
}

export interface Session {
  /** In order. */
  inputs: readonly string[]
  outputs: readonly string[]
  /** The canonical file: float NCHW. */
  run(planes: Planes): Promise<Planes>
  /** The uint8 variant: bytes NHWC. */
  runBytes(data: Uint8Array, dims: readonly number[]): Promise<Uint8Array>
  /** Any graph of floats, a value for each of its inputs: all its answers, in order. */
  runAll(values: Planes[]): Promise<Planes[]>
  close(): Promise<void>
}

/** Opens a serialized graph on ONNX Runtime's CPU provider. Blocks the event loop while it runs, which a command may. */
export async function openSession(bytes: Uint8Array): Promise<Session> {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['cpu'], logSeverityLevel: 4 })
  const [input, output] = [session.inputNames[0]!, session.outputNames[0]!]
  const answer = async (tensor: ort.Tensor) => (await session.run({ [input]: tensor }))[output]!
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run({ data, dims }) {
      const result = await answer(new ort.Tensor('float32', data, dims))
      return { data: result.data as Float32Array, dims: result.dims }
    },
    runBytes: async (data, dims) => (await answer(new ort.Tensor('uint8', data, dims))).data as Uint8Array,
    async runAll(values) {
      const feeds = values.map(({ data, dims }, i) => [session.inputNames[i]!, new ort.Tensor('float32', data, dims)])
      const results = await session.run(Object.fromEntries(feeds))
      return session.outputNames.map(name => ({ data: results[name]!.data as Float32Array, dims: results[name]!.dims }))
    },
    close: () => session.release(),
  }
}

export const onnxRuntimeVersion = ort.env.versions.node ?? ort.env.versions.common
