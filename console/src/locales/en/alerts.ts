import type zh from '../zh/alerts'

const en: typeof zh = {}
export default en
