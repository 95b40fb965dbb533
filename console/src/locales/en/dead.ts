import type zh from '../zh/dead'

const en: typeof zh = {}
export default en
