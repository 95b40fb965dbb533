import type zh from '../zh/callers'

const en: typeof zh = {}
export default en
