"""Valid inputs of the parsers, from which the fuzzer begins, and inputs that grow: long lists in one value, many
unknown keys, escapes, deep nesting, many headers and parts."""

from __future__ import annotations

from ivr.audio import wav
from tests.fuzz.inputs import Repetition

AGI_LINES = (
    b"agi_channel: PJSIP/alice-00000001",
    b"200 result=49 endpos=8000",
    b'200 result=1 ("Bob" <sip:1@x>)',
    b"520-Invalid command syntax.  Proper usage follows:",
    b"511 Command Not Permitted on a dead channel or intercept routine",
    b"HANGUP",
)
ARGUMENTS = (b"leave,number=1000&1001@demo,greeting=busy,gain=3", b"check,1000@demo,su(2)g(-5)")
ARI_EVENTS = (
    b'{"type":"StasisStart","timestamp":"2026-11-28T12:00:00.000+0000","args":["a"],"channel":{"id":"1.1","name":'
    b'"PJSIP/a-1","caller":{"number":"1","name":"x"},"dialplan":{"app_name":"Stasis","app_data":"ivr,leave"}}}',
    b'{"type":"RESTResponse","request_id":"1","status_code":200,"message_body":"{\\"value\\":\\"x\\"}"}',
)
AMI_MESSAGES = (
    b"Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted",
    b"Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/a-1\r\nChanVariable(x): a=b\r\nChanVariable: c=d",
    b"Response: Follows\r\nPrivilege: Command\r\nActionID: 2\r\noutput\r\n--END COMMAND--",
)
SETTINGS = (
    b'{"data":{"name":"Box","mailbox":"1000","pin":"4716","aliases":["1001"],"notify_email_addresses":["a@b.example"],'
    b'"timezone":"Europe/Berlin","media":{"unavailable":null},"members":[{"id":"0123456789abcdef0123456789abcdef"}],"numbers":["1@default"],'
    b'"notify":{"callback":{"number":"+4930","schedule":[60]}},"keys":{"save":"1"}}}',
    b'{"data":{"name":"demo","realm":"demo.example","language":"de","settings":{"webhook":{"url":"https://a.example"}}}}',
)
FORMS = (b"a=1&b=%20&c=", b"a=" + b"%41" * 50)
MULTIPART = tuple(
    b"multipart/mixed; boundary=b\n--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n"
    b"Content-Type: audio/wav\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    b'Content-Disposition: form-data; name="a"; filename="v.wav"\r\n\r\nUklGRg==\r\n--b--\r\n'
    for encoding in (b"base64", b"binary")
)
RANGES = (b"bytes=0-99", b"bytes=-5", b"bytes = 10 - , 5-6")
ACCEPT = (b"audio/mpeg;q=0.5, audio/*;q=0.1, */*", b"audio/x-wav")
QUERIES = (
    b"page_size=5&start_key=WzEsImEiXQ&created_from=63630058722&filter_folder=new&descending=true",
    b"filter_not_caller_id_number=1&has_key=a.b&filter_any_folder=%5B%22new%22%5D&paginate=false",
)
WAV = wav.header(320) + b"\x01\x02" * 160
WAV_FILES = (WAV, WAV[:36] + b"LIST\x04\0\0\0abcd" + WAV[36:])
ASSIGNMENTS = (b'a.b=1\nname="x"\naliases=1001,1002', b"media.name=null")
MAIL_ADDRESSES = (b"alice@demo.example", b"Alice <alice@demo.example>", "ü@bücher.example, b@c.example".encode())
MAIL_TEXTS = ("Zoë Bücher".encode(), b"=?utf-8?b?4pyT?= caller", b"plain")
CALLER_IDS = (
    b'"Bob" <sip:2001@example.org;user=phone>\nBob',
    b"+49 (0)30 123-456\n",
    b"anonymous\nAnonymous",
    b"tel:+4930;x=y\n",
)
PEOPLE_CSV = (
    b"name,email,endpoints,mailbox,pin,require_pin\nalice,alice@example.com,alice-desk,1000,generate,true\n",
    b'name;mailbox;settings.x\n"a";1;2\n',
    b"extension,name,voicemail,voicemail_enable,voicemail_vmpwd,voicemail_email\n100,Bob,default,yes,1234,b@x.example\n",
)
PEOPLE_YAML = (
    b"accounts:\n- name: demo\nusers:\n- name: alice\n  endpoints: [a]\nboxes:\n- mailbox: '1000'\n  pin: generate\n",
)
LONG_NAMES = (
    *(Repetition(b"", unit, b"A") for unit in (b".", b"9", b"9.", b"9 ", b"/", b"*", b"(9 ", b"a/", b"-")),
    *(Repetition(b"1", unit, b"!") for unit in (b"-1", b" ", b"0(0)", b"../")),
)
NAMES = (b"Europe/Berlin", b"de-DE", b"1000", b"^1[0-9]+$", b"fallback-a-1-2-3-4.wav")
MANIFESTS = (
    b'{"format":1,"taken_at":1,"version":"0","schema_version":1,"message_count":0,"data_folder":"/x",'
    b'"files":{"data/a":{"size":1,"sha256":"x","mtime_ns":1,"mode":384}}}',
)

LONG_ARGUMENTS = (Repetition(b"leave,number=", b"1000&"), Repetition(b"check,", b"{n}@demo&", b",s"))
LONG_AMI_MESSAGES = (
    Repetition(b"Event: Hangup\r\n", b"ChanVariable: a{n}=b\r\n"),
    Repetition(b"Event: Hangup\r\n", b"a:\r\n"),
)
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = REQUEST + b"Transfer-Encoding: chunked\r\n\r\n"
HTTP = (
    REQUEST + b"\r\n",
    b"PUT /v2/user_auth?a=%20 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    CHUNKED + b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
)
LONG_HTTP = (
    Repetition(b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Repetition(b"", b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"),
    Repetition(REQUEST, b"a:\r\n", b"\r\n"),
    Repetition(REQUEST + b"Cookie: ", b"a{n}=b;", b"\r\n\r\n"),
    Repetition(b"GET /", b"%41", b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    Repetition(CHUNKED, b"1\r\nx\r\n"),
    Repetition(CHUNKED + b"1", b";a=b", b"\r\nx\r\n"),
    Repetition(CHUNKED + b"0\r\n", b"a:\r\n"),
    Repetition(b"", b"\r\n"),
)
DATA = b'{"data":{"name":"B","mailbox":"1000",'
LONG_JSON = (
    Repetition(b'{"data":', b"[", b""),
    Repetition(b"", b'{"data":', b""),
    Repetition(b'{"data":{"x":[', b"[],", b"0]}}"),
    Repetition(b'{"data":{"x":[', b"0,", b"0]}}"),
    Repetition(b'{"data":{"x":', b"9", b"}}"),
    Repetition(b'{"data":{"x":"', b"\\u0041", b'"}}'),
    Repetition(b'{"data":{', b'"a{n}":1,', b'"x":1}}'),
    Repetition(b'{"data":{', b'"x":1,', b'"x":1}}'),
    Repetition(b"{", b'"dat{n}":1,', b'"data":{}}'),
    Repetition(b"", b" ", b"{}"),
)
LONG_SETTINGS = (
    *(
        Repetition(DATA + b'"' + key + b'":"', unit, b'"}}')
        for key, unit in (
            *((b"aliases", b"1,"), (b"aliases", b"{n} "), (b"numbers", b"1@default,"), (b"flags", b"a{n},")),
            *((b"notify_email_addresses", b"a@b.example,"), (b"notify_email_addresses", b"<a@"), (b"labels", b"a,")),
            *((b"timezone", b"Europe/"), (b"timezone", b"a"), (b"language", b"de-"), (b"pin", b"1"), (b"name", b"a ")),
            *((b"hunt_allow", b"(a|b)*"), (b"hunt_deny", b"(x+x+)+y"), (b"operator_number", b"1,")),
            *((b"mail_text", b"{{a}}"), (b"mail_text", b"{%if a%}"), (b"caller_id_name", b"a "), (b"mailbox", b"1")),
        )
    ),
    Repetition(DATA, b'"mailbo{n}":1,', b'"x":1}}'),
    Repetition(DATA + b'"notify":{"callback":{', b'"numbe{n}":1,', b'"x":1}}}}'),
    Repetition(DATA + b'"members":[', b'{"id":"0123456789abcdef0123456789abcdef"},', b"{}]}}"),
    Repetition(DATA + b'"aliases":[', b'"{n}",', b'"1"]}}'),
    Repetition(DATA + b'"notify_email_addresses":[', b'"a{n}@b.example",', b'"a@b.example"]}}'),
)
LONG_FORMS = (
    Repetition(b"a=", b"%41"),
    Repetition(b"", b"%41=&"),
    Repetition(b"", b"a{n}=1&"),
    Repetition(b"", b"a=1&"),
    Repetition(b"", b"+"),
    Repetition(b"a=", b"%ff%"),
)
LONG_MULTIPART = (
    Repetition(b"multipart/mixed; boundary=b\n", b"--b\r\n\r\nx\r\n", b"--b--\r\n"),
    Repetition(b"multipart/mixed; boundary=b\n--b\r\n", b"X-{n}: b\r\n", b"\r\n--b--\r\n"),
    Repetition(b"multipart/mixed; boundary=b\n--b\r\nX: ", b"a", b"\r\n\r\n--b--\r\n"),
    Repetition(b"multipart/mixed; boundary=b\n--b\r\nContent-Type: application/json\r\n\r\n", b"\r\n-"),
    Repetition(b"multipart/mixed; boundary=b\n--b\r\n\r\n", b" ", b"\r\n--b--\r\n"),
    Repetition(b"multipart/mixed; boundary=b", b"; a{n}=b", b"\n--b--\r\n"),
    Repetition(b"multipart/mixed; boundary=b\n--b\r\nContent-Disposition: form-data", b'; a{n}="b"', b"\r\n\r\n"),
)
LONG_RANGES = (Repetition(b"bytes=", b"1-2,"), Repetition(b"bytes=-", b"9"), Repetition(b"bytes=1-", b" "))
LONG_ACCEPT = (Repetition(b"", b"a/b;q=0.1,"), Repetition(b"audio/mpeg", b";a=b"), Repetition(b"", b"*/*,"))
LONG_QUERIES = (
    Repetition(b"", b"filter_k{n}=%5B&"),
    Repetition(b"", b"filter_folder=new&"),
    Repetition(b"filter_any_folder=%5B", b"%22new%22,", b"%22new%22%5D"),
    Repetition(b"filter_a", b".a", b"=1"),
    Repetition(b"search=", b"a+"),
    Repetition(b"page_siz{n}=1&", b"&"),
    Repetition(b"", b"page_siz{n}=1&"),
    Repetition(b"start_key=", b"W1tb"),
    Repetition(b"created_from=", b"9"),
)
LONG_WAV_FILES = (Repetition(WAV[:36], b"LIST\0\0\0\0", WAV[36:]), Repetition(WAV[:36], b"fmt \1\0\0\0a"))
LONG_ASSIGNMENTS = (
    Repetition(b"aliases=", b"1000,"),
    Repetition(b"", b"a."),
    Repetition(b"", b"a{n}=1\n"),
    Repetition(b"a=", b'{"a":'),
)
LONG_MAIL_ADDRESSES = (
    Repetition(b"", b"a@b.example,"),
    Repetition(b"a@", b"b.", b"example"),
    Repetition(b"a@", "ü.".encode(), b"example"),
    Repetition(b"", b"<a@b>;"),
    Repetition(b'"', b'\\"', b'"@b.example'),
)
LONG_CALLER_IDS = (Repetition(b"", b"<sip:"), Repetition(b"sip:1", b";a=b", b"\n"), Repetition(b"", b"\t", b"\n"))
LONG_PEOPLE_CSV = (
    Repetition(b"name,mailbox\n", b"a{n},1{n}\n"),
    Repetition(b"name", b",settings.a{n}", b"\na,1\n"),
    Repetition(b'name,mailbox\n"', b'""', b'",1\n'),
)
LONG_PEOPLE_YAML = (
    Repetition(b"accounts:\n- name: ", b"{a: "),
    Repetition(b"a: &a [1]\nb: &b [", b"*a,", b"*a]\n"),
    Repetition(b"accounts:\n", b"- name: a{n}\n"),
)
SPOOL_TEXTS = (
    b'; x\n[message]\norigmailbox=1000\ncallerid="Ann" <5551>\norigtime=1793600000\ncategory=\n'
    b"msg_id=1793600000-00000001\nflag=Urgent\nduration=3\n",
    b"[message]\ncallerid==?utf-8?b?4pyT?= <1>\norigtime=99999999999\nmsg_id=\nduration=999999\n",
)
LONG_SPOOL_TEXTS = (
    Repetition(b"[message]\ncallerid=a", b" ", b"b"),
    Repetition(b"[message]\ncallerid=", b'" <'),
    Repetition(b"[message]\ncallerid=", b"=?utf-8?q?a?= "),
    Repetition(b"[message]\norigtime=", b"9"),
    Repetition(b"[message]\n", b"a{n}=b\n"),
)
CONFS = (
    b"[general]\nformat=wav\n[default]\n1000 => 2468,Ann,a@b.example,,tz=eu\n[t](!)\na=b\n[x](t)\n1 = -1,B\n",
    b"[zonemessages]\neu=Europe/Copenhagen|'vm-received' a d b 'digits/at' HM\n;-- c --;\n#include \"none\"\n[a](+)\n",
)
LONG_CONFS = (
    Repetition(b"[default]\n", b"1{n} => 1,a\n"),
    Repetition(b"[default]\n1000 => 1,a,b,,", b"x=y|"),
    Repetition(b"[default]\n1000 => 1,a,", b"a@b.example|"),
    Repetition(b"", b";--"),
    Repetition(b"", b"[a{n}](!)\n"),
)
DUMPS = (
    b"-- MySQL dump 10.13\nCREATE TABLE `users` (\n `extension` varchar(20) NOT NULL,\n `name` varchar(50)\n);\n"
    b"INSERT INTO `users` VALUES ('1000','O\\'Neil ''x'''),('1001',NULL),(0x41,_binary 'a');\n-- Dump completed on x\n",
    b"INSERT INTO `users` (`a`,`b`) VALUES (1,'x');",
)
LONG_DUMPS = (
    Repetition(b"INSERT INTO `users` (`a`) VALUES ", b"('x'),", b";"),
    Repetition(b"INSERT INTO `users` (`a`) VALUES ('", b"''"),
    Repetition(b"INSERT INTO `users` (`a`) VALUES (", b" ", b"1);"),
    Repetition(b"CREATE TABLE `users` (", b"\n", b"x);"),
    *(Repetition(b"", unit) for unit in (b"'", b"`", b"/*", b"/*x*/", b"-- \n", b";")),
)
