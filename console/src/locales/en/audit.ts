import type zh from '../zh/audit'

const en: typeof zh = {}
export default en
