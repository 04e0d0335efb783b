// The lists: for each kind what is asked for, which columns it has, what they can be ordered by, and which words of the find
// expression its server-side filter knows. A test parses and validates every query made from here against the schema.

import type { ListKind } from "../dashboard/routes";
import { ACCESS } from "./access";
import { APPS } from "./apps";
import type { Kind } from "./columns";
import { NETWORK } from "./network";
import { WORK } from "./work";

export const KINDS: Readonly<Record<ListKind, Kind>> = { ...NETWORK, ...APPS, ...WORK, ...ACCESS };
