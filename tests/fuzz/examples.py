"""Valid inputs of the parsers, from which the fuzzer begins."""

from __future__ import annotations

from ivr.audio import wav

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
NAMES = (b"Europe/Berlin", b"de-DE", b"1000", b"^1[0-9]+$", b"fallback-a-1-2-3-4.wav")
MANIFESTS = (
    b'{"format":1,"taken_at":1,"version":"0","schema_version":1,"message_count":0,"data_folder":"/x",'
    b'"files":{"data/a":{"size":1,"sha256":"x","mtime_ns":1,"mode":384}}}',
)
