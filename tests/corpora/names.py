"""What is known of a file (the link that was sent, where it led, Content-Disposition, Content-Type), written for this
corpus, and the name that a person expects: that of browsers, with a suffix that fits the type, and the name of the link
where the server gives none."""

from __future__ import annotations

from dataclasses import dataclass

from reactor.net.disposition import choose_name, parse_disposition


@dataclass(frozen=True)
class Case:
    """What is known of one file."""

    sent: str
    name: str
    content_type: str | None = None
    header: str = ""
    led_to: str = ""
    """Where redirects ended; empty: nowhere else."""
    ours: str | None = None
    why: str = ""

    @property
    def label(self) -> str:
        return " ".join(filter(None, (self.sent, self.led_to and f"→ {self.led_to}", self.content_type, self.header)))

    @property
    def expected(self) -> str:
        return self.name

    def found(self) -> str:
        """What reactor makes of it."""
        disposition = parse_disposition(self.header.encode())
        return choose_name(disposition, self.led_to or self.sent, self.content_type, sent=self.sent)


H = "https://h.example"
CDN = "https://cdn.example/o/9f8e7d6c"
BYTES = "application/octet-stream"

CASES = (
    # The last segment of the path
    Case(f"{H}/film.mkv", "film.mkv", "video/x-matroska"),
    Case(f"{H}/a/b/film.mkv?x=1#t=5", "film.mkv", "video/x-matroska"),
    Case(f"{H}/my%20film.mkv", "my film.mkv", "video/x-matroska"),
    Case(f"{H}/my+film.mkv", "my+film.mkv", "video/x-matroska"),
    Case(f"{H}/%E7%94%B5%E5%BD%B1.mkv", "电影.mkv", "video/x-matroska"),
    Case(f"{H}/%B5%E7%D3%B0.mkv", "电影.mkv", "video/x-matroska"),
    Case(f"{H}/caf%E9.mkv", "café.mkv", "video/x-matroska"),
    Case(f"{H}/a%2Fb.mkv", "a_b.mkv", "video/x-matroska"),
    Case(f"{H}/100%25.pdf", "100%.pdf", "application/pdf"),
    Case(f"{H}/", "download"),
    Case(H, "download"),
    Case(f"{H}/?id=7", "download"),
    Case(f"{H}/", "download.zip", "application/zip"),
    Case(f"{H}/files/", "download.zip", "application/zip"),
    Case(f"{H}/film.mkv/", "film.mkv", "video/x-matroska"),
    Case(f"{H}/film.mkv/download", "film.mkv", BYTES),
    Case(f"{H}/film.mkv/chapters", "chapters", BYTES),
    Case(f"{H}/film.mp4;jsessionid=1A", "film.mp4", BYTES),
    Case(f"{H}/film;v=1;w=2", "film.mp4", "video/mp4"),
    # Suffixes by type
    *(
        Case(f"{H}/get", f"get{suffix}", content_type)
        for content_type, suffix in {
            "video/mp4": ".mp4", "video/x-matroska": ".mkv", "video/webm": ".webm", "video/mp2t": ".ts",
            "video/quicktime": ".mov", "video/x-msvideo": ".avi", "video/x-flv": ".flv", "video/mpeg": ".mpg",
            "audio/mpeg": ".mp3", "audio/mp3": ".mp3", "audio/mp4": ".m4a", "audio/x-m4a": ".m4a", "audio/ogg": ".ogg",
            "audio/opus": ".opus", "audio/flac": ".flac", "audio/x-flac": ".flac", "audio/wav": ".wav",
            "audio/x-wav": ".wav", "audio/aac": ".aac", "image/jpeg": ".jpg", "image/jpg": ".jpg", "image/png": ".png",
            "image/webp": ".webp", "image/gif": ".gif", "image/avif": ".avif", "image/svg+xml": ".svg",
            "application/pdf": ".pdf", "application/zip": ".zip", "application/x-zip-compressed": ".zip",
            "application/x-7z-compressed": ".7z", "application/vnd.rar": ".rar", "application/x-rar-compressed": ".rar",
            "application/gzip": ".gz", "application/x-tar": ".tar", "application/epub+zip": ".epub",
            "application/json": ".json", "text/csv": ".csv", "application/msword": ".doc",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
            "application/x-bittorrent": ".torrent", "text/vtt": ".vtt", "application/x-subrip": ".srt",
        }.items()
    ),
    Case(f"{H}/get", "get", BYTES),
    Case(f"{H}/get", "get", "binary/octet-stream"),
    Case(f"{H}/get", "get", "x/nonsense"),
    Case(f"{H}/get", "get"),
    Case(f"{H}/get", "get", "text/plain"),
    # Suffixes that are there
    Case(f"{H}/film.mkv", "film.mkv", "video/mp4"),
    Case(f"{H}/film.mkv", "film.mkv", "text/plain"),
    Case(f"{H}/film.MKV", "film.MKV", "video/x-matroska"),
    Case(f"{H}/a.jpeg", "a.jpeg", "image/jpeg"),
    Case(f"{H}/a.tar.gz", "a.tar.gz", "application/gzip"),
    Case(f"{H}/a.tgz", "a.tgz", "application/gzip"),
    Case(f"{H}/a.docx", "a.docx", "application/zip"),
    Case(f"{H}/a.cbz", "a.cbz", "application/zip"),
    Case(f"{H}/a.apk", "a.apk", "application/vnd.android.package-archive"),
    Case(f"{H}/a.xyz", "a.xyz", "application/zip"),
    Case(f"{H}/model.safetensors", "model.safetensors", BYTES),
    Case(f"{H}/weights.ckpt", "weights.ckpt", "application/zip"),
    Case(f"{H}/film.part1.rar", "film.part1.rar", "application/vnd.rar"),
    Case(f"{H}/disk.7z.001", "disk.7z.001", BYTES),
    # Dots that begin no suffix
    Case(f"{H}/Movie.2020.1080p", "Movie.2020.1080p.mkv", "video/x-matroska"),
    Case(f"{H}/Show.S01E02", "Show.S01E02.mp4", "video/mp4"),
    Case(f"{H}/Film.2020.x264", "Film.2020.x264.mp4", "video/mp4"),
    Case(f"{H}/Song.feat.Somebody", "Song.feat.Somebody.mp3", "audio/mpeg"),
    Case(f"{H}/v1.2", "v1.2.zip", "application/zip"),
    Case(f"{H}/tool-1.2.3", "tool-1.2.3.gz", "application/gzip"),
    Case(f"{H}/Dr.Who", "Dr.Who.mp4", "video/mp4"),
    Case(f"{H}/10.1000", "10.1000.pdf", "application/pdf"),
    # What a server runs
    Case(f"{H}/download.php?id=7", "download.mp4", "video/mp4"),
    Case(f"{H}/image.aspx", "image.png", "image/png"),
    Case(f"{H}/export.cgi", "export.csv", "text/csv"),
    Case(f"{H}/get.jsp", "get.pdf", "application/pdf"),
    Case(f"{H}/download.php", "download.php", BYTES),
    Case(f"{H}/index.php", "index.php", "text/html"),
    Case(f"{H}/page.html", "page.html", "text/html"),
    # The query
    Case(f"{H}/get?file=Holiday%20Film.mkv", "Holiday Film.mkv", BYTES),
    Case(f"{H}/get?filename=a.pdf&id=1", "a.pdf", "application/pdf"),
    Case(f"{H}/get?FILE=dir/a.pdf", "a.pdf", "application/pdf"),
    Case(f"{H}/get?file=..%2F..%2Fa.pdf", "a.pdf", "application/pdf"),
    Case(f"{H}/download.php?file=a.pdf", "a.pdf", BYTES),
    Case(f"{H}/get?file=17", "get", BYTES),
    Case(f"{H}/get?id=a.pdf", "a.pdf", BYTES),
    Case(f"{H}/get?poster=a.jpg", "get.mp4", "video/mp4"),
    Case(f"{H}/get?poster=a.jpg&name=b.mp4", "b.mp4", "video/mp4"),
    Case(f"{H}/get?rscd=attachment%3B%20filename%3D%22c.mp4%22&name=b.mp4", "c.mp4", "video/mp4"),
    Case(f"{H}/d.mp4?image=a.jpg", "d.mp4", BYTES),
    Case(f"{H}/real.zip?file=other.zip", "real.zip", "application/zip"),
    # Redirects
    Case(f"{H}/film.mkv", "film.mkv", BYTES, led_to=CDN),
    Case(f"{H}/film.mkv", "film.mkv", BYTES, led_to=f"{CDN}?filename=x.mkv"),
    Case(f"{H}/s/AbC123", "film.mkv", BYTES, led_to="https://cdn.example/film.mkv"),
    Case(f"{H}/s/AbC123", "9f8e7d6c.mp4", "video/mp4", led_to=CDN),
    Case(f"{H}/s/AbC123", "AbC123", BYTES, led_to="https://cdn.example/"),
    Case(f"{H}/download.php?id=7", "film.mkv", BYTES, led_to="https://cdn.example/film.mkv"),
    Case(f"{H}/film.mkv", "other.mkv", BYTES, header="attachment; filename=other.mkv", led_to=CDN),
    # The header and the type
    Case(f"{H}/get", "film.mp4", "video/mp4", header="attachment; filename=film"),
    Case(f"{H}/get", "film.mp4", "video/mp4", header="attachment; filename=film.php"),
    Case(f"{H}/get", "film.mkv", "video/mp4", header="attachment; filename=film.mkv"),
    Case(f"{H}/get", "film", BYTES, header="attachment; filename=film"),
    Case(f"{H}/film.mkv", "film.mkv", "video/x-matroska", header='attachment; filename=""'),
    Case(f"{H}/film.mkv", "film.mkv", "video/x-matroska", header="attachment; filename=.."),
    Case(f"{H}/film.mkv", "film.mkv", "video/x-matroska", header="inline"),
    Case(f"{H}/get", "Movie.2020.1080p.mkv", "video/x-matroska", header="attachment; filename=Movie.2020.1080p"),
    Case(f"{H}/get", "setup.exe", "application/zip", header="attachment; filename=setup.exe"),
    Case(f"{H}/get", "a.tar.gz", "application/gzip", header="attachment; filename=a.tar.gz"),
    Case(f"{H}/get", "a.tar", "application/gzip", header="attachment; filename=a.tar"),
)  # fmt: skip
