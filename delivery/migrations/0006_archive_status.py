from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0005_erase_in_archive'),
    ]

    operations = [
        migrations.CreateModel(
            name='ArchiveStatus',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('ran_at', models.DateTimeField(help_text='When retention last ran.')),
                ('failing_since', models.DateTimeField(help_text='Since when the storage cannot be written; empty: it can, or nothing was to be written.', null=True)),
                ('error', models.TextField(blank=True, help_text='Why it could not be written last; empty: it could.')),
                ('due_since', models.DateTimeField(help_text='When the oldest events that wait for the archive were due for it; empty: none waits.', null=True)),
            ],
            options={
                'verbose_name_plural': 'archive status',
            },
        ),
    ]
