/**
 * Import this before onnxruntime-node, in the process's main thread. From 1.29 on ONNX Runtime tells Microsoft about every
 * session (the model's file name and hashes among others, https://github.com/microsoft/onnxruntime/pull/27379) and leaves
 * an identifier and logs among the temporary files, unless this variable is set when it starts. Who wants that sets it to 0.
 */
process.env.ORT_DISABLE_TELEMETRY ??= '1'
