"""Content-Disposition headers as servers send them, written for this corpus, and the name that a person finds.

The name is the one under which current browsers save the file (RFC 6266 where they agree with it), with what no file
system takes written as `_`. Where reactor decides otherwise, `ours` has its name and `why` the reason."""

from __future__ import annotations

from dataclasses import dataclass

from reactor.net.disposition import choose_name, parse_disposition

URL = "https://h.example/d/4711"
NONE = "4711"
"""The name where the header gives none: that of the URL."""


@dataclass(frozen=True)
class Case:
    """One header."""

    header: bytes
    name: str
    ours: str | None = None
    why: str = ""

    @property
    def label(self) -> str:
        return self.header.decode("latin-1")

    @property
    def expected(self) -> str:
        return self.name

    def found(self) -> str:
        """What reactor makes of it."""
        return choose_name(parse_disposition(self.header), URL, None)


def _of(header: str | bytes, name: str, ours: str | None = None, why: str = "") -> Case:
    return Case(header.encode() if isinstance(header, str) else header, name, ours, why)


CASES = (
    # Plain
    _of("attachment; filename=report.pdf", "report.pdf"),
    _of('attachment; filename="report.pdf"', "report.pdf"),
    _of("attachment;filename=report.pdf", "report.pdf"),
    _of("attachment ;  filename = report.pdf ", "report.pdf"),
    _of("ATTACHMENT; FILENAME=report.pdf", "report.pdf"),
    _of('attachment; filename="report.pdf";', "report.pdf"),
    _of('attachment; filename="report.pdf"; size=1234', "report.pdf"),
    _of('attachment; size=1234; filename="report.pdf"', "report.pdf"),
    _of('attachment; creation-date="Sat, 1 Nov 2025 10:00:00 GMT"; filename=report.pdf', "report.pdf"),
    _of('inline; filename="photo.jpg"', "photo.jpg"),
    _of('form-data; name="file"; filename="photo.jpg"', "photo.jpg"),
    _of('filename="report.pdf"', "report.pdf"),
    _of("filename=report.pdf", "report.pdf"),
    _of('; filename="report.pdf"', "report.pdf"),
    _of("attachment; filename=archive.tar.gz", "archive.tar.gz"),
    _of("attachment; filename=no-suffix", "no-suffix"),
    _of("attachment; filename='report.pdf'", "'report.pdf'"),
    _of("attachment; name=report.pdf", NONE),
    _of("attachment", NONE),
    _of("", NONE),
    _of("attachment; filename", NONE),
    _of("attachment; filename=", NONE),
    _of('attachment; filename=""', NONE),
    _of('attachment; filename="   "', NONE),
    _of("inline", NONE),
    # Quoting
    _of('attachment; filename="a b.pdf"', "a b.pdf"),
    _of("attachment; filename=a b.pdf", "a b.pdf"),
    _of("attachment; filename=a  b c.pdf", "a b c.pdf"),
    _of('attachment; filename="a;b.pdf"', "a;b.pdf"),
    _of('attachment; filename="a, b.pdf"', "a, b.pdf"),
    _of("attachment; filename=a,b.pdf", "a,b.pdf"),
    _of('attachment; filename="a=b.pdf"', "a=b.pdf"),
    _of(r'attachment; filename="the \"best\" one.pdf"', "the _best_ one.pdf"),
    _of(r'attachment; filename="a\\b.pdf"', "b.pdf"),
    _of(r'attachment; filename="it\'s.pdf"', "it's.pdf"),
    _of('attachment; filename="report.pdf', "report.pdf"),
    _of('attachment; filename="report.pdf; size=3', "report.pdf; size=3"),
    _of('attachment; filename=report.pdf"', "report.pdf"),
    _of('attachment, filename="report.pdf"', "report.pdf"),
    _of('attachment; filename="a"b".pdf"', "a"),
    _of("attachment; filename=(2024) report.pdf", "(2024) report.pdf"),
    _of("attachment; filename=[x] report@2.pdf", "[x] report@2.pdf"),
    _of("attachment; filename=a.pdf; filename=b.pdf", "a.pdf"),
    _of('attachment; filename="a.pdf"; filename="b.pdf"', "a.pdf"),
    _of("attachment; foo=bar; filename=a.pdf; baz", "a.pdf"),
    _of('attachment; foo="filename=b.pdf"; filename=a.pdf', "a.pdf"),
    _of('attachment; xfilename="b.pdf"; filename="a.pdf"', "a.pdf"),
    _of('attachment; filename-x="b.pdf"', NONE),
    # RFC 8187
    _of("attachment; filename*=UTF-8''na%C3%AFve.pdf", "naïve.pdf"),
    _of("attachment; filename*=utf-8'en'na%C3%AFve.pdf", "naïve.pdf"),
    _of("attachment; filename*=UTF-8''a%20b.pdf", "a b.pdf"),
    _of("attachment; filename*=UTF-8''%E2%82%AC%20rates.pdf; filename=\"EUR rates.pdf\"", "€ rates.pdf"),
    _of("attachment; filename=\"EUR rates.pdf\"; filename*=UTF-8''%E2%82%AC%20rates.pdf", "€ rates.pdf"),
    _of("attachment; filename=\"EUR.pdf\";filename*=utf-8''%e2%82%ac.pdf;", "€.pdf"),
    _of("attachment; filename*=ISO-8859-1''%FCber.pdf", "über.pdf"),
    _of("attachment; filename*=Shift_JIS''%93%FA%96%7B.pdf", "日本.pdf"),
    _of("attachment; filename*=GBK''%D6%D0%CE%C4.pdf", "中文.pdf"),
    _of("attachment; filename*=KOI8-R''%D7%CF%CA%CE%C1.epub", "война.epub"),
    _of("attachment; filename*=\"UTF-8''na%C3%AFve.pdf\"", "naïve.pdf"),
    _of("attachment; filename* = UTF-8''a.pdf", "a.pdf"),
    _of("attachment; filename*=UTF-8''a%2Fb.pdf", "b.pdf"),
    _of("attachment; filename*=UTF-8''a%5Cb.pdf", "b.pdf"),
    _of("attachment; filename*=UTF-8''a%22b.pdf", "a_b.pdf"),
    _of("attachment; filename*=UTF-8''a%00b.pdf", "ab.pdf"),
    _of("attachment; filename*=UTF-8''a%2525.pdf", "a%25.pdf"),
    _of("attachment; filename*=UTF-8''100%.pdf", "100%.pdf"),
    _of("attachment; filename*=UTF-8''a b.pdf", "a b.pdf"),
    _of("attachment; filename*=UTF-8''na\u00efve.pdf", "naïve.pdf"),
    _of(
        "attachment; filename*=UTF-8'na%C3%AFve.pdf", NONE, "UTF-8'naïve.pdf", "what can be read is better than nothing"
    ),
    _of(
        "attachment; filename*=na%C3%AFve.pdf",
        NONE,
        "naïve.pdf",
        "what can be read of the only name is better than none",
    ),
    _of("attachment; filename*=''na%C3%AFve.pdf", "naïve.pdf"),
    _of("attachment; filename*=UTF-8''; filename=a.pdf", "a.pdf"),
    _of("attachment; filename*=x-unknown''%E4.pdf; filename=b.pdf", "b.pdf"),
    _of("attachment; filename*=UTF-8''%FF.pdf; filename=b.pdf", "b.pdf"),
    _of(
        "attachment; filename*=x-unknown''a.pdf", NONE, "a.pdf", "what can be read of the only name is better than none"
    ),
    _of("attachment; filename*=UTF-8''%FF.pdf", NONE, "ÿ.pdf", "what can be read of the only name is better than none"),
    _of("attachment; filename*=UTF-8''cafe%CC%81.pdf", "café.pdf"),
    # RFC 2231
    _of('attachment; filename*0="a long "; filename*1="name.pdf"', "a long name.pdf"),
    _of('attachment; filename*1="name.pdf"; filename*0="a long "', "a long name.pdf"),
    _of("attachment; filename*0*=UTF-8''%E2%82%AC%20; filename*1=rates; filename*2*=.pdf", "€ rates.pdf"),
    _of("attachment; filename*0*=UTF-8''%E2; filename*1*=%82%AC.pdf", "€.pdf"),
    _of("attachment; filename*0=a; filename*2=c", "a"),
    _of("attachment; filename*1=b; filename=a.pdf", "a.pdf"),
    _of("attachment; filename*0=b.pdf; filename=a.pdf", "b.pdf"),
    _of("attachment; filename*00=b.pdf; filename=a.pdf", "a.pdf"),
    _of("attachment; filename*=UTF-8''c.pdf; filename*0=b.pdf", "c.pdf"),
    # Undeclared bytes
    _of("attachment; filename=naïve.pdf", "naïve.pdf"),
    _of('attachment; filename="отчёт.pdf"', "отчёт.pdf"),
    _of('attachment; filename="报告.pdf"', "报告.pdf"),
    _of('attachment; filename="naïve – “œuvre”.pdf"'.encode("cp1252"), "naïve – “œuvre”.pdf"),
    _of('attachment; filename="Übersicht.pdf"'.encode("latin-1"), "Übersicht.pdf"),
    _of('attachment; filename="отчёт за год.pdf"'.encode("cp1251"), "отчёт за год.pdf"),
    _of('attachment; filename="年度报告资料.pdf"'.encode("gb18030"), "年度报告资料.pdf"),
    _of('attachment; filename="これはレポートです.pdf"'.encode("cp932"), "これはレポートです.pdf"),
    _of('attachment; filename="연간보고서자료.pdf"'.encode("cp949"), "연간보고서자료.pdf"),
    # Other ways to write what is not ASCII: Firefox decodes none, Chromium those that servers mean
    _of("attachment; filename=na%C3%AFve.pdf", "naïve.pdf"),
    _of('attachment; filename="%E6%8A%A5%E5%91%8A.pdf"', "报告.pdf"),
    _of('attachment; filename="a%20b.pdf"', "a b.pdf"),
    _of('attachment; filename="100% sure.pdf"', "100% sure.pdf"),
    _of('attachment; filename="a%FF.pdf"', "a%FF.pdf"),
    _of('attachment; filename="=?UTF-8?B?bmHDr3ZlLnBkZg==?="', "naïve.pdf"),
    _of('attachment; filename="=?UTF-8?Q?na=C3=AFve_1.pdf?="', "naïve 1.pdf"),
    _of('attachment; filename="=?ISO-8859-1?Q?=FCber.pdf?="', "über.pdf"),
    _of("attachment; filename==?utf-8?B?bmHDr3ZlLnBkZg==?=", "naïve.pdf"),
    _of('attachment; filename="=?UTF-8?B?bmHD?= =?UTF-8?B?r3ZlLnBkZg==?="', "naïve.pdf"),
    _of('attachment; filename="&#26085;&#26412;.pdf"', "&#26085;&#26412;.pdf"),
    _of(r'attachment; filename="\u65e5.pdf"', "u65e5.pdf"),
    # What no file may be called
    _of('attachment; filename="../../etc/passwd"', "passwd"),
    _of('attachment; filename="/etc/passwd"', "passwd"),
    _of(r'attachment; filename="C:\Users\me\report.pdf"', "report.pdf"),
    _of("attachment; filename=..", NONE),
    _of('attachment; filename="."', NONE),
    _of('attachment; filename="folder/"', "folder"),
    _of('attachment; filename=".htaccess"', "htaccess"),
    _of('attachment; filename="a:b*c?.pdf"', "a_b_c_.pdf"),
    _of('attachment; filename="a<b>|c.pdf"', "a_b__c.pdf"),
    _of('attachment; filename="report.pdf."', "report.pdf"),
    _of('attachment; filename=" report.pdf "', "report.pdf"),
    _of('attachment; filename="a\tb.pdf"', "a b.pdf"),
    _of(b'attachment; filename="a\x01b.pdf"', "ab.pdf"),
    _of(b'attachment; filename="a\r\n b.pdf"', "a b.pdf"),
    _of('attachment; filename="photo\u202egpj.exe"', "photogpj.exe"),
    _of('attachment; filename="zero\u200bwidth.pdf"', "zerowidth.pdf"),
    _of('attachment; filename="CON"', "_CON"),
    _of('attachment; filename="nul.txt"', "_nul.txt"),
    _of('attachment; filename="film.aria2"', "film.aria2_"),
    _of(f'attachment; filename="{"x" * 300}.pdf"', "x" * 230 + ".pdf"),
)
