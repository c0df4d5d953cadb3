"""What the suffixes of names promise."""

from __future__ import annotations

_MANIFESTS = "m3u8 m3u mpd"
_VIDEO_AND_AUDIO = """
    3g2 3gp asf avi f4v flv m2ts m4v mkv mov mp4 mpe mpeg mpg mts mxf ogm ogv qt rm rmvb vob webm wmv
    aac ac3 aif aiff alac amr ape au awb caf dff dsf dts flac m4a m4b mid midi mka mp2 mp3 mpc oga ogg opus ra tta wav
    weba wma wv """
_SUBTITLES = "ass srt ssa sub vtt"
_PICTURES = """
    ai arw avif bmp cr2 dng eps exr gif heic heif ico jp2 jpeg jpg jxl nef png psd svg tga tif tiff webp xcf"""
_ARCHIVES = """
    7z ace apk appimage arj bin br bz2 cab cbr cbz cpio crx deb dll dmg exe flatpak gz img ipa iso jar lha lz lz4
    lzh lzma lzo msi msix nupkg ova ovf pkg qcow2 rar rpm snap squashfs tar taz tbz tbz2 tgz tlz txz tzst vdi vhd vhdx
    vmdk war whl wim xapk xpi xz z zip zst"""
_DOCUMENTS_AND_DATA = """
    3mf asc avro azw azw3 bib chm csv db db3 djvu doc docm docx dot dotx dwg dxf eot epub fb2 feather geojson gguf glb
    gpx h5 hdf5 ics json jsonl key kml kmz mat md md5 mobi ndjson nfo npy npz numbers obj odg odp ods odt onnx otf pages
    parquet pcap pdf pkl pps ppsx ppt pptm pptx ps pt pth rtf safetensors sha1 sha256 sha512 shp sig sql sqlite sqlite3
    stl tex toml tsv ttf ttml txt vcf warc woff woff2 xls xlsb xlsm xlsx xml xps yaml yml"""
MANIFEST_SUFFIXES = frozenset(_MANIFESTS.split())
METALINK_SUFFIXES = frozenset(["meta4", "metalink"])
TIMED_SUFFIXES = frozenset(_VIDEO_AND_AUDIO.split())
"""Of what is seen or heard for a while."""
MEDIA_SUFFIXES = frozenset((_VIDEO_AND_AUDIO + _SUBTITLES + _PICTURES).split())
FILE_SUFFIXES = frozenset((_VIDEO_AND_AUDIO + _SUBTITLES + _PICTURES + _ARCHIVES + _DOCUMENTS_AND_DATA).split())

_PAGES = "htm html mht mhtml shtml xht xhtml"
_SERVED = "ashx asp aspx cfm cgi do jsp php php3 php4 php5 phtml pl"
_MAY_BE_TEXT = """
    ass srt ssa sub vtt ai eps svg asc bib bin csv doc dot dxf fb2 geojson gpx ics img json jsonl key kml mat md md5
    ndjson nfo obj pps ppt ps rtf sha1 sha256 sha512 sig sql stl tex toml tsv ttml txt vcf warc xls xml yaml yml"""
PAGE_SUFFIXES = frozenset(_PAGES.split())
SERVED_SUFFIXES = frozenset(_SERVED.split())
"""Of what a server runs: they say nothing of what comes."""
BINARY_SUFFIXES = FILE_SUFFIXES - frozenset(_MAY_BE_TEXT.split())
"""Of what is never a text, under whatever name."""
