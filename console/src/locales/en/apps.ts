import type zh from '../zh/apps'

const en: typeof zh = {}
export default en
