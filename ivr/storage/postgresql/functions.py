"""Functions of SQLite that statements, indexes and triggers use, as functions of a PostgreSQL database.

They return what SQLite's return, with one exception: `json_extract` returns text, so a statement that needs a number
casts it. None calls another one: pg_restore creates indexes with an empty `search_path`.
"""

_IMMUTABLE = "LANGUAGE sql IMMUTABLE PARALLEL SAFE"
_PLPGSQL = "LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE"
_PLAIN = (
    "CASE json_typeof({0}) WHEN 'boolean' THEN CASE {0}::text WHEN 'true' THEN '1' ELSE '0' END ELSE {0} #>> '{{}}' END"
)
"""A part of a document as SQLite returns it."""
_KIND = (
    "CASE json_typeof({0}) WHEN 'boolean' THEN {0}::text WHEN 'string' THEN 'text' WHEN 'number' THEN"
    " CASE WHEN {0}::text ~ '[.eE]' THEN 'real' ELSE 'integer' END ELSE json_typeof({0}) END"
)
_STEPS = "string_to_array(nullif(substr(path, 3), ''), '.')"

FUNCTIONS = (
    f"min(a bigint, b bigint) RETURNS bigint {_IMMUTABLE} AS 'SELECT CASE WHEN a < b THEN a WHEN b <= a THEN b END'",
    f"max(a bigint, b bigint) RETURNS bigint {_IMMUTABLE} AS 'SELECT CASE WHEN a > b THEN a WHEN b >= a THEN b END'",
    f"instr(whole text, part text) RETURNS bigint {_IMMUTABLE} AS 'SELECT strpos(whole, part)::bigint'",
    f"substr(whole text, first bigint) RETURNS text {_IMMUTABLE} AS"
    " 'SELECT CASE WHEN first < 0 THEN right(whole, -first::int) ELSE substr(whole, first::int) END'",
    f"substr(whole text, first bigint, size bigint) RETURNS text {_IMMUTABLE} AS"
    " 'SELECT substr(whole, first::int, greatest(size, 0)::int)'",
    "randomblob(size bigint) RETURNS bytea LANGUAGE sql VOLATILE AS"
    " 'SELECT substring(uuid_send(gen_random_uuid()) FOR size::int)'",
    f"hex(bytes bytea) RETURNS text {_IMMUTABLE} AS $$SELECT upper(encode(bytes, 'hex'))$$",
    f"json_valid(document text) RETURNS bigint {_PLPGSQL} STRICT AS $$"
    " BEGIN PERFORM document::json; RETURN 1; EXCEPTION WHEN others THEN RETURN 0; END $$",
    f"json_extract(document text, path text) RETURNS text {_PLPGSQL} AS"
    f" $$DECLARE part json := document::json #> {_STEPS}; BEGIN RETURN {_PLAIN.format('part')}; END$$",
    f"json_type(document text) RETURNS text {_PLPGSQL} AS"
    f" $$DECLARE part json := document::json; BEGIN RETURN {_KIND.format('part')}; END$$",
    f"json_type(document text, path text) RETURNS text {_PLPGSQL} AS"
    f" $$DECLARE part json := document::json #> {_STEPS}; BEGIN RETURN {_KIND.format('part')}; END$$",
    f"json_set(document text, path text, value json) RETURNS text {_IMMUTABLE} AS"
    f" $$SELECT jsonb_set(document::jsonb, {_STEPS}, value::jsonb)::text$$",
    f"json_set(document text, path text, value text) RETURNS text {_IMMUTABLE} AS"
    f" $$SELECT jsonb_set(document::jsonb, {_STEPS}, coalesce(to_jsonb(value), 'null'))::text$$",
    f"json_remove(document text, path text) RETURNS text {_IMMUTABLE} AS"
    f" $$SELECT (document::jsonb #- {_STEPS})::text$$",
    f"json_each(document text, path text) RETURNS TABLE (value text, type text) {_IMMUTABLE} AS"
    f" $$SELECT {_PLAIN.format('part')}, {_KIND.format('part')} FROM json_array_elements("
    f"CASE json_typeof(document::json #> {_STEPS}) WHEN 'array' THEN document::json #> {_STEPS} ELSE '[]' END)"
    " AS part$$",
    f"json_each(document text) RETURNS TABLE (value text, type text) {_IMMUTABLE} AS"
    f" $$SELECT {_PLAIN.format('part')}, {_KIND.format('part')} FROM json_array_elements("
    "CASE json_typeof(document::json) WHEN 'array' THEN document::json ELSE '[]' END) AS part$$",
    # The words of a text without case and accents, as FTS5 of SQLite sees them.
    f"search_words(VARIADIC texts text[]) RETURNS tsvector {_IMMUTABLE} AS"
    " $$SELECT to_tsvector('simple', regexp_replace(regexp_replace(normalize(array_to_string(texts, ' '), NFKD)"
    """ COLLATE "default", '[\u0300-\u036f]+', '', 'g'), '[^[:alnum:]]+', ' ', 'g'))$$""",
)
"""Name, parameters and body of each, in the order in which they are created."""
