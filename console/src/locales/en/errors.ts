import type zh from '../zh/errors'

const en: typeof zh = {}
export default en
