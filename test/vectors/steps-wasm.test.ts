import { testSteps } from './steps.js'

testSteps('wasm', { skip: false })
