"""Functions of SQLite that statements, indexes and triggers use, as functions of a PostgreSQL database.

They return what SQLite's return, with one exception: `json_extract` returns text, so a statement that needs a number
casts it.
"""

_IMMUTABLE = "LANGUAGE sql IMMUTABLE PARALLEL SAFE"
_PLPGSQL = "LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE"
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
    f"json_plain(value json) RETURNS text {_IMMUTABLE} AS $$SELECT CASE json_typeof(value)"
    " WHEN 'boolean' THEN CASE value::text WHEN 'true' THEN '1' ELSE '0' END ELSE value #>> '{}' END$$",
    f"json_extract(document text, path text) RETURNS text {_IMMUTABLE} AS"
    f" $$SELECT json_plain(document::json #> {_STEPS})$$",
    f"json_kind(value json) RETURNS text {_IMMUTABLE} AS $$SELECT CASE json_typeof(value)"
    " WHEN 'boolean' THEN value::text WHEN 'string' THEN 'text' WHEN 'number' THEN"
    " CASE WHEN value::text ~ '[.eE]' THEN 'real' ELSE 'integer' END ELSE json_typeof(value) END$$",
    f"json_type(document text) RETURNS text {_IMMUTABLE} AS 'SELECT json_kind(document::json)'",
    f"json_type(document text, path text) RETURNS text {_IMMUTABLE} AS"
    f" $$SELECT json_kind(document::json #> {_STEPS})$$",
    f"json_set(document text, path text, value json) RETURNS text {_IMMUTABLE} AS"
    f" $$SELECT jsonb_set(document::jsonb, {_STEPS}, value::jsonb)::text$$",
    f"json_set(document text, path text, value text) RETURNS text {_IMMUTABLE} AS"
    f" $$SELECT jsonb_set(document::jsonb, {_STEPS}, coalesce(to_jsonb(value), 'null'))::text$$",
    f"json_remove(document text, path text) RETURNS text {_IMMUTABLE} AS"
    f" $$SELECT (document::jsonb #- {_STEPS})::text$$",
    f"json_each(document text, path text) RETURNS TABLE (value text, type text) {_IMMUTABLE} AS"
    f" $$SELECT json_plain(element), json_kind(element) FROM json_array_elements("
    f"CASE json_typeof(document::json #> {_STEPS}) WHEN 'array' THEN document::json #> {_STEPS} ELSE '[]' END)"
    " AS element$$",
    f"json_each(document text) RETURNS TABLE (value text, type text) {_IMMUTABLE} AS"
    " $$SELECT * FROM json_each(document, '$')$$",
    # The words of a text without case and accents, as FTS5 of SQLite sees them.
    f"search_words(VARIADIC texts text[]) RETURNS tsvector {_IMMUTABLE} AS"
    " $$SELECT to_tsvector('simple', regexp_replace(regexp_replace(normalize(array_to_string(texts, ' '), NFKD)"
    """ COLLATE "default", '[\u0300-\u036f]+', '', 'g'), '[^[:alnum:]]+', ' ', 'g'))$$""",
)
"""Name, parameters and body of each, in the order in which they are created."""
