"""What webhooks must never reach, as data: addresses, spellings of addresses in URLs, names, and malformed URLs.

Gathered from the IANA special-purpose registries, the clouds' documentation of their metadata services, and the
tricks known from published server-side request forgeries.
"""

# Each special-purpose range of IPv4: first, last and one between.
ADDRESSES_V4 = """
0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255
10.0.0.0 10.0.0.1 10.1.2.3 10.96.0.1 10.244.0.1 10.255.255.255
100.64.0.0 100.64.0.1 100.100.100.200 100.127.255.255
127.0.0.0 127.0.0.1 127.0.0.53 127.0.1.1 127.1.2.3 127.127.127.127 127.255.255.255
169.254.0.0 169.254.0.1 169.254.0.23 169.254.1.1 169.254.42.42 169.254.169.123 169.254.169.249 169.254.169.250
169.254.169.253 169.254.169.254 169.254.170.2 169.254.170.23 169.254.255.255
168.63.129.16
172.16.0.0 172.16.0.1 172.17.0.1 172.18.0.1 172.20.10.1 172.31.255.255
192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.171 192.0.0.192 192.0.0.255
192.0.2.0 192.0.2.1 192.0.2.255
192.31.196.0 192.31.196.1 192.31.196.255
192.52.193.0 192.52.193.1 192.52.193.255
192.88.99.0 192.88.99.1 192.88.99.2 192.88.99.255
192.168.0.0 192.168.0.1 192.168.1.1 192.168.49.2 192.168.65.2 192.168.99.100 192.168.122.1 192.168.255.255
192.175.48.0 192.175.48.1 192.175.48.255
198.18.0.0 198.18.0.1 198.19.255.255
198.51.100.0 198.51.100.1 198.51.100.255
203.0.113.0 203.0.113.1 203.0.113.255
224.0.0.0 224.0.0.1 224.0.0.251 232.1.1.1 233.252.0.1 239.255.255.250 239.255.255.255
240.0.0.0 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255
""".split()  # noqa: SIM905 - a table is easier to read than a list of quotes

ADDRESSES_V6 = """
:: ::1 ::2 ::ffff ::7f00:1 ::127.0.0.1 ::10.0.0.1 ::169.254.169.254 ::8.8.8.8
::ffff:0.0.0.0 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:172.16.0.1 ::ffff:192.168.1.1
::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::ffff:100.64.0.1 ::ffff:100.100.100.200 ::ffff:255.255.255.255
::ffff:8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:0:10.0.0.1 ::ffff:0:169.254.169.254
64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::172.16.0.1 64:ff9b::192.168.0.1 64:ff9b::0.0.0.0
64:ff9b::169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b::100.64.0.1 64:ff9b::100.100.100.200 64:ff9b::198.18.0.1
64:ff9b::224.0.0.1 64:ff9b::255.255.255.255 64:ff9b::192.0.2.1 64:ff9b::168.63.129.16
64:ff9b:1:: 64:ff9b:1::1 64:ff9b:1::127.0.0.1 64:ff9b:1::8.8.8.8 64:ff9b:1:7f00:0:100:: 64:ff9b:1:a9fe:a9:fe00::
64:ff9b:1:ffff:ffff:ffff:ffff:ffff 64:ff9b::1:0:0 64:ff9b:2::1
100:: 100::1 100:0:0:1::1 100::ffff:ffff:ffff:ffff
2001:: 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:0:7f00:1:0:0:80ff:fffe 2001:1::1 2001:1::2 2001:1::3
2001:2:: 2001:2::1 2001:3::1 2001:4:112::1 2001:5::1 2001:10::1 2001:1f::1 2001:20::1 2001:2f::1 2001:30::1
2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff
2001:db8:: 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff
2002:: 2002:7f00:1:: 2002:7f00:1::1 2002:a00:1:: 2002:ac10:1:: 2002:c0a8:101:: 2002:a9fe:a9fe:: 2002:a9fe:a9fe::1
2002:6440:1:: 2002:808:808:: 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
2620:4f:8000:: 2620:4f:8000::1 2620:4f:8000:ffff:ffff:ffff:ffff:ffff
3ffe::1 3fff:: 3fff::1 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff
4000::1 5f00:: 5f00::1 5fff::1 6000::1 8000::1 a000::1 c000::1 e000::1 f000::1 f800::1
fc00:: fc00::1 fcff::1 fd00::1 fd00:42::42 fd00:ec2::254 fd00:ec2::253 fd00:ec2::23 fd00:a9fe:a9fe::1 fd20:ce::254
fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fd12:3456:789a:1::1
fe00::1 fe80:: fe80::1 fe80::a9fe:a9fe fe80::5efe:169.254.169.254 febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
fec0:: fec0::1 feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
ff00:: ff01::1 ff02::1 ff02::2 ff02::fb ff05::1:3 ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
2606:4700::5efe:127.0.0.1 2606:4700::200:5efe:10.0.0.1 2606:4700::5efe:a9fe:a9fe
""".split()  # noqa: SIM905

# Closed even when an operator has opened everything.
NEVER_ALLOWED = """
0.0.0.0 0.0.0.1 169.254.169.254 169.254.170.2 169.254.1.1 100.100.100.200 168.63.129.16 192.0.0.192 224.0.0.1
255.255.255.255
:: fe80::1 fe80::a9fe:a9fe febf::1 ff02::1 fd00:ec2::254 fd20:ce::254 fd00:42::42
::ffff:169.254.169.254 ::ffff:0.0.0.0 ::ffff:168.63.129.16 ::169.254.169.254 ::ffff:0:169.254.169.254
64:ff9b::169.254.169.254 64:ff9b::100.100.100.200 64:ff9b::168.63.129.16 64:ff9b::0.0.0.0
64:ff9b:1::169.254.169.254 64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:ffa9:fe:a9fe:: 64:ff9b:1:ffff:a9:fea9:fe00::
2002:a9fe:a9fe:: 2002:a9fe:a9fe::1 2002:6464:64c8:: 2002:a83f:8110::
2001:0:a9fe:a9fe:: 2001:0:4136:e378:8000:63bf:5601:5601
2606:4700::5efe:169.254.169.254 fe80::5efe:10.0.0.1
""".split()  # noqa: SIM905

# Hosts that some resolver or URL parser reads as an address inside.
HOST_SPELLINGS = """
127.1 127.0.1 127.0.0.1. 127.000.000.001 0127.0.0.1 0177.0.0.1 0177.0.0.01 00000177.0.0.1 0177.1 017700000001
0x7f.1 0x7f.0.0.1 0x7f.0x0.0x0.0x1 0x7F000001 0x7f000001 0x000000007f000001 2130706433 2130706433. 02130706433
0 0.0 0.0.0 0x0 00 000.000.000.000 0x0.0x0.0x0.0x0
10.1 012.0.0.1 0xa.1 167772161 0x0a000001
169.254.43518 169.16689662 2852039166 0xa9fea9fe 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 0251.254.169.254
0251.00376.000251.0000376 025177524776 425.510.425.510 169.254.169.254. 169.254.169.0xfe
192.168.257 3232235777 0xc0a80101 0300.0250.1.1 192.168.1
4294967295 4294967296 6442450943 7147006462 99999999999999999999 256.256.256.256 127.0.0.256 1.2.3.4.5 127.0.0.1.0
1.2.3.08 08.8.8.8 0x 0x. 127.0.0.0x1 127.0.0.0X1 foo.0x7f foo.1 foo.127.0.0.1
[::1]. [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0001] [::FFFF:127.0.0.1] [::ffff:7F00:0001]
[0:0:0:0:0:ffff:127.0.0.1] [::ffff:127.1] [::ffff:0x7f000001] [::ffff:0177.0.0.1] [::127.0.0.1] [::] [] [:] [:::1]
[fe80::1%eth0] [fe80::1%25eth0] [fe80::1%251] [::1%25lo] [::1%lo] [2606:4700::1111%25eth0] [v1.fe80::1] [1.1.1.1]
[::1]] [[::1]] ::1 fe80::1 2606:4700::1111 [64:ff9b::127.0.0.1] [64:FF9B::A9FE:A9FE] [2002:7f00:1::]
%31%32%37.0.0.1 127%2e0%2e0%2e1 127.0.0.1%00 127.0.0.1%0d%0a 127.0.0.1%20 example.com%00.internal 127.0.0.1%2f
""".split()  # noqa: SIM905

NAMES = """
localhost LOCALHOST localhost. localhost.. foo.localhost a.b.localhost localhost.localdomain ip6-localhost
printer.local db.internal vault.service.internal metadata.google.internal METADATA.google.internal metadata
metadata.google.internal. metadata.goog instance-data instance-data.ec2.internal metadata.tencentyun.com
kubernetes kubernetes.default.svc.cluster.local host.docker.internal gateway.docker.internal redis postgres
router.lan nas.home.arpa wiki.intranet hidden.onion a x
""".split()  # noqa: SIM905

# Texts that two parsers read differently, or that no receiver needs.
URLS = [
    "",
    " ",
    "https",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "https:///etc/passwd",
    "https://?",
    "https://#",
    "https://:443",
    "https://:443/",
    "https:example.com",
    "https:/example.com",
    "https:///example.com",
    "https:\\\\example.com",
    "//example.com",
    "/hook",
    "example.com",
    "example.com:443",
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "dict://example.com:11211/",
    "ldap://example.com/",
    "jar:https://example.com!/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "ws://example.com/",
    "wss://example.com/",
    "blob:https://example.com/",
    "view-source:https://example.com/",
    "hxxps://example.com/",
    "https+x://example.com/",
    " https://example.com/",
    "https://example.com/ ",
    "\thttps://example.com/",
    "ht\ntps://example.com/",
    "https://exam\tple.com/",
    "https://exam\nple.com/",
    "https://exam\rple.com/",
    "https://example.com/\r\nX: y",
    "https://example.com\x00.internal/",
    "https://example.com/\x00",
    "https://example.com/\x7f",
    "https://example.com/\x1b[31m",
    "https://exam ple.com/",
    "https://example.com/a b",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://@example.com/",
    "https://:@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1@example.com/",
    "https://example.com:443@127.0.0.1/",
    "https://example.com:80:80/",
    "https://a@b@127.0.0.1/",
    "https://127.0.0.1:80@example.com:80/",
    "https://example.com\\@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://127.0.0.1\\.example.com/",
    "https://example.com\\.internal/",
    "https:/\\example.com/",
    "https://example.com#@127.0.0.1/",
    "https://example.com?@127.0.0.1/#x",
    "https://127.0.0.1#.example.com/",
    "https://127.0.0.1?.example.com/",
    "https://127.0.0.1/?https://example.com",
    "https://127.0.0.1;.example.com/",
    "https://127.0.0.1,example.com/",
    "https://127.0.0.1 &@example.com# @example.com/",
    "https://example.com/#",
    "https://example.com/#x",
    "https://example.com:/",
    "https://example.com:0/",
    "https://example.com:00443/",
    "https://example.com:0443/",
    "https://example.com:65536/",
    "https://example.com:99999999999/",
    "https://example.com:-1/",
    "https://example.com:+443/",
    "https://example.com:443a/",
    "https://example.com:0x1bb/",
    "https://example.com:4 43/",
    "https://example.com:\uff14\uff14\uff13/",
    "https://example.com:\u0664\u0664\u0663/",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:6667/",
    "https://example.com./",
    "https://example.com../",
    "https://.example.com/",
    "https://example..com/",
    "https://./",
    "https://../",
    "https://-example.com/",
    "https://example-.com/",
    "https://exa$mple.com/",
    "https://exa(mple.com/",
    "https://exa*mple.com/",
    "https://*.example.com/",
    "https://exa!mple.com/",
    "https://exa'mple.com/",
    "https://exa=mple.com/",
    "https://exa~mple.com/",
    "https://exam%70le.com/",
    "https://example.com%2f/",
    "https://example.com%40127.0.0.1/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
    "https://example.com/" + "a" * 2048,
    "https://example.com/%",
    "https://example.com/%zz",
    "https://example.com/%0d%0aX:%20y",
    "https://example.com/%00",
    "https://example.com/[x]",
    "https://example.com/?a[]=1",
    "https://example.com/<x>",
    'https://example.com/"x"',
    "https://example.com/`x`",
    "https://example.com/{x}",
    "https://example.com/a|b",
    "https://example.com/a^b",
    "https://example.com/a\\b",
    "https://ex\xe4mple.com/",
    "https://example.com/\xe4",
    "https://\u24d4xample.com/",
    "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://127\u30020\u30020\u30021/",
    "https://127\uff0e0\uff0e0\uff0e1/",
    "https://\u0661\u0662\u0667.0.0.1/",
    "https://l\u043ecalhost/",
    "https://loca\u017fhost/",
    "https://\u2139nternal/",
    "https://exa\xadmple.com/",
    "https://exa\u200bmple.com/",
    "https://exa\u200dmple.com/",
    "https://\u202eexample.com/",
    "https://example\uff0ecom/",
    "https://example.com\u2044@127.0.0.1/",
    "https://example.com\uff03@127.0.0.1/",
    "https://example.com\u2100@127.0.0.1/",
    "https://stra\xdfe.example/",
    "https://\U0001f4a9.example/",
    "https://example.com/\u202e",
    "https://\ud800.example/",
    "https://[::1",
    "https://::1]/",
    "https://[::1]x/",
    "https://[::1]:x/",
    "https://x[::1]/",
    "https://[::ffff:7f00:1]/",
    "https://[example.com]/",
    "https://[127.0.0.1]/",
    "https://[::1%2525lo]/",
]


def urls() -> list[str]:
    """Every entry of the corpus as a URL."""
    hosts = [*ADDRESSES_V4, *(f"[{address}]" for address in ADDRESSES_V6), *HOST_SPELLINGS, *NAMES]
    return [*(f"https://{host}/hook" for host in hosts), *URLS]
